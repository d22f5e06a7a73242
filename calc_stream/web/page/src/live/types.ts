// What the calculator's API says: amounts are decimal strings, times UTC milliseconds, power watts.

export type Amounts = Record<string, string>;
export type Point = [t_ms: number, watts: number];

export interface Batch {
  batch: string;
  product: string | null;
  state: "live" | "provisional" | "closed" | "settled" | "restated";
  nodes: string[];
  started_ms: number | null;
  ended_ms: number | null;
  energy_kwh: string;
  by_source: Amounts;
  value_adding: Amounts;
  overhead: Amounts;
  allocated: Amounts;
  inherited: Amounts;
  units: Record<string, string>;
  kg_co2e: string | null;
  columns: Amounts;
  unknown_sources: string[];
  factor_status: string;
  bought_kg_co2e: string | null;
  good: string;
  scrap: string;
  unit: string | null;
  kwh_per_unit: string | null;
  kg_co2e_per_unit: string | null;
  measured_share: string;
  interpolated_share: string;
  method: string;
  factor_set: string | null;
  model: string | null;
  offset: number;
  revision: number;
  incomplete: boolean;
  cause: string | null;
  difference_kwh: string | null;
  difference_kg: string | null;
  over_limit: boolean;
}

export interface Source {
  source: string;
  carrier: string;
  unit: string;
  amount: string;
  kwh: string | null;
  power_w: number | null;
}

export interface Account {
  account: string;
  kwh: string | null;
  by_source: Amounts;
}

export interface Machine {
  node: string;
  state: string;
  power_w: number | null;
  batches: string[];
  power_history: Point[];
}

export interface Happening {
  t_ms: number;
  kind: string;
  event: string;
  meter: string | null;
  detail: Record<string, string>;
}

export interface Meter {
  meter: string;
  health: "ok" | "late" | "silent";
  last_ms: number | null;
  power_w: number | null;
  quality: string | null;
  notice: Happening | null;
  register: string | null;
  unit: string;
  carrier: string;
  from: string;
  to: string;
}

/** A meter with what is known of it and does not move. */
export interface MeterKnown extends Meter {
  gateway: string | null;
  profile: string | null;
  model: string | null;
  serial: string | null;
  class: string | null;
  certificate: string | null;
  certificate_due: string | null;
  due_days: number | null;
  reset_events: Happening[];
}

export interface Alarm {
  id?: string;
  kind: string;
  about: string;
  text: string;
  t_ms: number | null;
  texts?: Record<string, string>;
  detail?: Record<string, string>;
  acknowledged?: { by: string; reason: string; t_ms: number } | null;
}

export interface Snapshot {
  site: string;
  now_ms: number;
  frontier_ms: number | null;
  offset: number;
  latest_reading_ms: number | null;
  method: string;
  closure: Amounts;
  sources: Source[];
  batches: Batch[];
  accounts: Account[];
  machines: Machine[];
  meters: Meter[];
  events: Happening[];
  alarms: Alarm[];
}

/** Only what moved; rows stand for rows of the same key, `power_history` holds new points only. */
export type Change = Partial<Snapshot> & { gone?: Partial<Record<Keyed, string[]>> };
export type Keyed = "sources" | "batches" | "accounts" | "machines" | "meters";
