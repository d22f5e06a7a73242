"""How a commissioning report looks: on paper first, in black where there is no colour."""

STYLE = """
@page { size: A4; margin: 14mm 13mm 16mm;
  @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; } }
:root { --ink: #1b2733; --soft: #5c6b7a; --line: #d5dce3; --good: #1a7f4b; --look: #b25e00;
  --bad: #b3261e; }
* { box-sizing: border-box; }
body { font: 9pt/1.42 system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "Microsoft YaHei",
  "PingFang SC", sans-serif; color: var(--ink); max-width: 186mm; margin: 10mm auto;
  -webkit-print-color-adjust: exact; print-color-adjust: exact; }
@media print { body { margin: 0; } }
h1 { font-size: 18pt; margin: 0 0 3mm; }
h2 { font-size: 11pt; margin: 0 0 2mm; display: flex; justify-content: space-between;
  align-items: baseline; border-bottom: .5pt solid var(--line); padding-bottom: 1mm; }
section { margin-top: 7mm; }
p { margin: 0 0 2mm; }
dl { display: grid; grid-template-columns: repeat(3, 1fr); gap: 1.5mm 5mm; margin: 0; }
section.meter dl:first-of-type div:last-child { grid-column: 2 / -1; }
section.meter dl + dl { display: block; margin-top: 1.5mm; font-size: 8pt; }
section.meter dl + dl div { margin-bottom: 1mm; }
dt { color: var(--soft); font-size: 7.5pt; }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 1mm 2mm 1mm 0;
  border-bottom: .5pt solid var(--line); }
th { color: var(--soft); font-weight: normal; font-size: 7.5pt; white-space: nowrap; }
tr { break-inside: avoid; }
.mark { font-size: 8.5pt; font-weight: bold; white-space: nowrap; }
.mark.good { color: var(--good); } .mark.look { color: var(--look); } .mark.bad { color: var(--bad); }
.bar { display: inline-block; width: 22mm; height: 2.4mm; background: var(--line);
  vertical-align: baseline; }
.bar i { display: block; height: 100%; background: var(--ink); }
section.meter { break-inside: avoid; }
section.meter > ul { margin: 0 0 2mm; padding-left: 4mm; }
ul.checks { list-style: none; padding: 0; margin: 3mm 0 2mm; }
ul.checks li { padding-left: 4mm; position: relative; }
ul.checks li::before { content: "✓"; color: var(--good); position: absolute; left: 0; }
ul.checks li.look::before { content: "!"; color: var(--look); font-weight: bold; }
ul.checks b { font-weight: 600; margin-right: 1mm; }
.values { columns: 2; column-gap: 7mm; border-top: .5pt solid var(--line); padding-top: 1mm; }
.values div { display: grid; grid-template-columns: 1fr auto; column-gap: 3mm;
  break-inside: avoid; border-bottom: .5pt dotted var(--line); }
.values b { font-weight: 600; font-variant-numeric: tabular-nums; }
.values small { grid-column: 1 / -1; color: var(--look); font-size: 7.5pt; }
.values .none { color: var(--soft); } .values .none small { color: inherit; }
section.signatures { break-inside: avoid; margin-top: 12mm; }
.signatures td { height: 12mm; width: 28%; border-right: .5pt solid var(--line); }
"""
