// Sums and comparisons of decimal strings, exactly: amounts are never floating point before they
// are shown.

export const isZero = (decimal: string): boolean => /^[+-]?0*\.?0*$/.test(decimal);

/** The exact sum of decimal strings, as a decimal string. */
export function sum(decimals: string[]): string {
  const digits = Math.max(0, ...decimals.map((d) => (d.split(".")[1] ?? "").length));
  const whole = (decimal: string): bigint => {
    const [units = "0", parts = ""] = decimal.split(".");
    return BigInt(units + parts.padEnd(digits, "0"));
  };
  const total = decimals.reduce((so_far, d) => so_far + whole(d), 0n);
  const text = String(total < 0n ? -total : total).padStart(digits + 1, "0");
  const point = text.length - digits;
  const decimal = digits ? `${text.slice(0, point)}.${text.slice(point)}` : text;
  return total < 0n ? `-${decimal}` : decimal;
}

/** The one furthest from zero; "0" of none. */
export const largest = (decimals: string[]): string =>
  decimals.reduce((most, d) => (Math.abs(Number(d)) > Math.abs(Number(most)) ? d : most), "0");

export interface Share {
  source: string;
  amount: string;
}

/** Amounts by source, parted by unit: what has different units is never added. */
export function byUnit(
  amounts: Record<string, string>,
  unitOf: (source: string) => string,
): { unit: string; total: string; parts: Share[] }[] {
  const units = new Map<string, Share[]>();
  for (const [source, amount] of Object.entries(amounts)) {
    const unit = unitOf(source);
    units.set(unit, [...(units.get(unit) ?? []), { source, amount }]);
  }
  const groups = [...units].map(([unit, parts]) => ({
    unit,
    parts,
    total: sum(parts.map((part) => part.amount)),
  }));
  return groups.sort((a, b) => Number(b.unit === "kWh") - Number(a.unit === "kWh"));
}
