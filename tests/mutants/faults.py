"""What to get wrong: (name, file of the core, its words, the wrong ones). Quick ones run always."""

from typing import NamedTuple


class Fault(NamedTuple):
    name: str
    file: str
    right: str
    wrong: str
    quick: bool = False


FAULTS = [
    # stores
    Fault("a store gives rounded up", "stores", "floor(quanta * out / stock.level)", "-floor(-quanta * out / stock.level)"),
    Fault("losses make nothing smaller", "stores", "* stores[name].efficiency", "", True),
    Fault("losses make the content smaller", "stores", "change = put[name].get(source, 0)", "change = floor(put[name].get(source, 0) * stores[name].efficiency)"),
    Fault("a level goes below zero", "stores", "left = max(stock.level - out[name], Fraction(0))", "left = stock.level - out[name]"),
    Fault("a shortage is silent", "stores", "short[name] += max(out[name] - stock.level, Fraction(0))", "pass", True),
    Fault("a shortage counts from nothing", "stores", "max(out[name] - stock.level, Fraction(0))", "Fraction(out[name] if out[name] > stock.level else 0)"),
    Fault("an empty store gives nothing it holds", "stores", "return dict(stock.content)\n    return {", "return {}\n    return {"),
    Fault("a store begins anew on every page", "stores", "if name not in stocks}", "}"),
    Fault("a store begins empty", "stores", "Stock(Fraction(store.level), _content(dict(store.content)))", "Stock()"),
    Fault("stores mix into one", "stores", "others = [mul(content.parts[s], mix.whole) for s in stores[at + 1 :]]", "others = [content.parts[s] for s in stores[at + 1 :]]"),
    Fault("what a store gave stays on it", "postings", "steps[row] = add(steps[row], -back)", "pass"),
    Fault("what a store held at first is nobody's", "postings", "columns += _opened(at, source, names, stored)", "pass"),
    Fault("pages behind a changed one stay", "state", "if self.pages.settled(behind):", "if True:"),
    Fault("a page begins with empty stores", "pages", "return self._parts[self._order[at - 1]][-1][1].ended if at else {}", "return {}"),
    Fault("a store that was never there stays in the pages behind it", "state", "or not self.pages.settled(page):", "or page not in self.pages:"),
    Fault("a part alone begins with empty stores", "definition", "stocks = post(network, nodes, readings, before, stocks).ended", "pass"),
    # known flows, outlets, loops
    Fault("a transformer loses nothing", "known", "left = arrived.times(1 - (model.utilities[start].loss or Fraction(0)))", "left = arrived", True),
    Fault("a transformer gives its losses", "known", "arrived.times(1 - (model", "arrived.times((model"),
    Fault("a cable loses nothing", "known", " * (1 - (link.loss or Fraction(0)))", "", True),
    Fault("links of one place take all of it each", "known", "_share(link) / sum(shares)", "Fraction(1)"),
    Fault("what was overdrawn upstream stays positive", "outlets", "divisor = mul(divisor, np.where(divisor < 0, whole(-1), whole(1)))", "divisor = mul(divisor, np.where(divisor < 0, whole(-1), whole(1)))\n            unit = np.abs(unit)"),
    Fault("known links do not count as inflow", "outlets", "isinstance(edge, Link) and edge not in known", "isinstance(edge, Link)"),
    Fault("reference efficiencies the wrong way round", "outlets", "/ carrier.quanta_per_unit / reference", "/ carrier.quanta_per_unit * reference", True),
    Fault("energy of outputs is not made comparable", "outlets", "carrier.kwh_per_unit / carrier.quanta_per_unit / reference", "Fraction(1) / reference"),
    Fault("a utility forgets its shares", "outlets", "elif shares:", "elif False:"),
    Fault("an idle utility gives on", "outlets", "idle = drawn == 0 if all_metered", "idle = drawn < 0 if all_metered"),
    Fault("a loop without an end is solved all the same", "linear", "if left[name].get(name, 0) <= 0:", "if left[name].get(name, 0) == 0:"),
    Fault("a stuck loop passes on", "loops", "out[:, rows] = 0", "pass"),
    # integers, registers, edges
    Fault("accounts in the wrong order", "line", "names = tuple(sorted({*every, *more}))", "names = tuple(sorted({*every, *more}, reverse=True))", True),
    Fault("an edge counts by the later reading", "registers", 'low[row], high[row] = totals[before], totals[at]', 'low[row], high[row] = totals[at], totals[at]'),
    Fault("swaps cut nothing", "edges", "swaps = [swap.t_ms for meter in mine for swap in readings.swaps[meter]]", "swaps = list[int]()"),
    Fault("readings' ends cut nothing", "edges", "firsts[firsts < LIMIT]", "firsts[:0]"),
    Fault("periods cut nothing", "edges", "periods.cuts(reign, part)", "periods.cuts(reign, part)[:0]"),
    # versions and periods
    Fault("a version begins late", "versions", "if r.from_ms <= t_ms)", "if r.from_ms < t_ms)"),
    Fault("a source that is gone weighs nothing", "versions", "for model in reversed(models) if source in model.sources", "for model in models[-1:] if source in model.sources"),
    Fault("versions are one period", "periods", "[[-LIMIT], begins, held, *parts]", "[[-LIMIT], held, *parts]"),
    Fault("windows are one period", "periods", "[[-LIMIT], begins, held, *parts]", "[[-LIMIT], begins]"),
    Fault("hours are one period", "periods", "found = np.maximum(found, times // _HOUR_MS * _HOUR_MS)", "pass"),
    Fault("factors are one period", "periods", "edges = np.unique(np.concatenate([edges, self._at[source]]))", "pass"),
    Fault("a window outlives its version", "periods", "return reign.within(*windows.around(period_ms)) if windows else None", "return windows.around(period_ms) if windows else None"),
    Fault("a month is a day", "windows", "        if windows.monthly:\n            break", "        pass"),
    Fault("clocks stay in winter", "windows", "day += timedelta(days=1)  # on the clock: aware datetimes of one zone add so", "day = (day.astimezone(UTC) + timedelta(days=1)).astimezone(zone)"),
    Fault("kept pages of another version", "state", "return before.model is after.model and was == now == (t_ms, now[1])", "return True"),
    Fault("a frontier before the version", "frontier", "since = np.maximum(readings.lasts(meters), reign.from_ms)", "since = readings.lasts(meters)\n        since = np.where(since > -LIMIT, since, reign.from_ms)"),
    Fault("what is on its way holds nothing back", "frontier", "for at in np.flatnonzero(since > waiting.held_ms).tolist():", "for at in list[int]():", True),
    Fault("an edge between two", "frontier", "return frontier if waiting.held_ms == LIMIT else _edge_before(versions, cuts, span, frontier)", "return frontier"),
    Fault("what was before a change stays, and a little after it", "state", 'min(reaching, default=edges[-1]), "left")) - 1, 0)', 'max(reaching, default=edges[-1]), "left")), 0)'),
    Fault("what is on its way is forgotten over a restart", "state_bytes", 'header.get("held_ms", LIMIT)', "LIMIT"),
    Fault("marks are lost over a restart", "state", "told = (self.offset, self.silent, self.marks,", "told = (self.offset, self.silent, Marks(),"),
    # what just runs on
    Fault("what comes late is taken for the newest", "tails", "return np.asarray(times > lasts)", "return np.asarray(times == times)", True),
    Fault("an edge stays where it was although more came", "tails", "if edge < settled_ms:", "if True:"),
    Fault("an edge stays where it was although readings moved up", "tails", "self.kept[:] = self.size\n        self.turns += 1", "self.kept[:] = self.size"),
    Fault("a swapped register runs on from nothing", "tails", "marks + self.offset[each]", "marks"),
    Fault("a meter that has more digits now runs on", "tails", "fits &= self.sound[at] & (self.exponent[at] == exponent)", "fits &= self.sound[at] & (exponent == exponent)"),
    Fault("who got it before gets it still", "timeline", "self.nodes is nodes and self.from_ms <= first_ms and last_ms < self.until_ms", "self.nodes is nodes"),
    Fault("who got it before gets it still, whatever is told", "timeline", "self.nodes is nodes and self.from_ms", "self.from_ms"),
    # pages and lines
    Fault("what is cut off a page stays in the sums", "pages", "            gone.append(after)", "            pass"),
    Fault("a part of a page took in what all of it did", "postings", "replace(self.rows(slice(at)), inflow=before", "replace(self.rows(slice(at)), inflow=self.inflow"),
    Fault("readings of one meter told twice at once just run on", "series", "once = len(set(meters)) == len(meters)", "once = True"),
    Fault("an account stands in one bundle", "line", "ends = None if (count == 1).all() else np.cumsum(count)", "ends = None"),
    # who gets it
    Fault("set-up that ends just in time is too early", "timeline", 'ends.searchsorted(stretch.ready_ms, "left")', 'ends.searchsorted(stretch.ready_ms, "right")'),
    Fault("set-up knows no limit", "timeline", "if stretch.ready_ms is not None:", "if False:"),
    Fault("a stretch keeps the policy it began with", "course", "if t_ms < reign.from_ms < end_ms:", "if False:"),
    Fault("weights by mass although one is not counted", "course", "full = all(counted.values())", "full = any(counted.values())"),
    Fault("equal weights are told ones", "course", 'if policy.weights == "equal" or not weights:', "if not weights:"),
    Fault("scrap weighs nothing", "batches", "return (self.good + self.scrap) * rate", "return self.good * rate"),
    Fault("tonnes are kilograms", "batches", 'rate = convert(self.unit, "kg") if physical else 1', "rate = 1", True),
    Fault("a campaign never ends", "campaigns", "t_ms <= over_ms and _same", "_same"),
    Fault("a campaign ends an instant early", "campaigns", "t_ms <= over_ms and", "t_ms < over_ms and"),
    Fault("products nobody told are the same", "campaigns", "return product is not None and product", "return product"),
    Fault("set-up goes to batches, not campaigns", "course", 'if policy.setup == "campaign":', "if False:", True),
    # what stands, and what is worked out anew when something comes or goes
    Fault("what was voided before it came stands", "in_force", "if e.type != \"void\" and e.id not in self._voids", "if e.type != \"void\""),
    Fault("what is voided later stands", "in_force", "gone.append(target)", "pass", True),
    Fault("an event that is gone cuts", "in_force", "self.cuts = np.delete(self.cuts, self.cuts.searchsorted(less) + others)", "pass"),
    Fault("of cuts the later ones are the same", "cuts", "first = int(unlike[0]) if unlike.size else least", "first = least"),
    Fault("what comes is as if it had been there", "course", "event.t_ms > max(last_ms, then_ms):", "event.t_ms > then_ms:"),
    Fault("what comes late changes nothing behind it", "course", "if was[1:] == (state, active):", "if True:"),
    Fault("set-up waits for a start that is gone", "course", "return self._starts[lo - 1][0] if lo else -LIMIT", "return LIMIT"),
    Fault("what is counted later weighs nothing", "course", "if self._counts(was) != self._counts(self._batches.get(batch)):", "if False:"),
    Fault("batches of another campaign stay where they were", "course", "restated |= self._campaigns.follow(", "self._campaigns.follow("),
    Fault("a campaign that changes leaves the next one alone", "campaigns", "if leader > changed[-1] and at", "if leader > changed[0] and at"),
    Fault("who drew too much is not asked again", "batches", "heirs = {event.batch for of in turned for event in self._named[\"of\"].get(of, ())}", "heirs = set[str]()"),
    Fault("who bought a lot does not hear of it", "batches", "buyers = {event.batch for lot in lots for event in self._named[\"bought\"].get(lot, ())}", "buyers = set[str]()"),
    Fault("overhead nodes look like machines", "receivers", "if model.nodes[node].overhead:", "if False:"),
    # spreading and burdens
    Fault("a pool serves every line", "pools", "(lines is None or other.line in lines)", "True", True),
    Fault("overhead nodes serve each other", "pools", "if not other.overhead and", "if"),
    Fault("machine hours alone, whoever shares", "pools", "lasts_ms * weight / whole", "Fraction(lasts_ms)"),
    Fault("machine hours beyond the readings", "pools", "first, last = max(window[0], self.span[0]), min(window[1], self.span[1])", "first, last = window"),
    Fault("waiting counts as machine hours, and rest", "pools", "if not stretch.bears:", "if not stretch.active:"),
    Fault("pieces of all its time in each window", "pools", "self.batches[name].counted(measure) * hours / whole[name]", "self.batches[name].counted(measure)", True),
    Fault("gas holds no energy", "pools", "quanta * carrier.kwh_per_unit / carrier.quanta_per_unit", "Fraction(quanta * (carrier.unit == 'kWh'), carrier.quanta_per_unit)", True),
    Fault("energy of other machines drives, too", "pools", "for batch, kwh in self.energy(node, window).items():", "for batch, kwh in ((b, k) for (w, _), own in self._kwh.items() if w == window for b, k in own.items()):"),
    Fault("each transfer floored by itself", "pools", "after = floor(quanta * running / whole)", "after = before + floor(quanta * driver / whole)"),
    Fault("a campaign's scrap bears nothing", "pools", "batch.good + batch.scrap for batch in members", "batch.good for batch in members", True),
    Fault("a campaign shares by what some put out", "pools", "or not all(outputs.values())", "or not any(outputs.values())"),
    Fault("a fault adds value", "burdens", 'if account.state == "producing"', 'if account.state in ("producing", "fault")', True),
    Fault("set-up of a campaign came from a pool", "burdens", "_add(mine.allocated if pooled else mine.overhead", "_add(mine.allocated", True),
    Fault("what an input was allocated stays there", "burdens", "for part in (self.value, self.overhead, self.allocated):", "for part in (self.value, self.overhead):"),
    Fault("lots stay where they were bought", "burdens", "lots = dict(with_lots[name])", "lots = {}", True),
    Fault("inputs by all output, scrap too", "genealogy", "quantity / batches[of].good", "quantity / (batches[of].good + batches[of].scrap)"),
    # sums
    Fault("what a page took out stays in the sums", "totals", "if sign > 0 else -quanta", "if sign > 0 else quanta"),
    Fault("an account that only moved is not told", "totals", "rows = self._changed(self._moves, len(self._totals.cells))", "return frozenset(self.accounts)\n        rows = list[int]()"),
]  # fmt: skip
