// What `explain` tells of a batch.

import type { Amounts, Batch } from "./types";

export interface Reading {
  t_ms: number;
  register: string | null;
  total: string;
  offset: number | null;
}
export interface Edge {
  t_ms: number;
  total: string;
  before: Reading;
  after: Reading;
}
export interface MeterTrail {
  meter: string;
  start: string;
  end: string;
  unit: string;
  register_unit: string;
  since: Edge | null;
  until: Edge | null;
  counted: string;
  to_batch: string;
  share: string | null;
  readings: number;
  segments: { offset: number; key: string; hash: string; readings: number; first_ms: number; last_ms: number }[];
}
export interface Mass {
  column: string;
  counted: boolean;
  amount: string;
  per_unit: string;
  kg: string;
  factor: { id: string; value: string; unit: string; document: string; publisher: string; dated: string; url: string; status: string };
}
/** A pool in a window, or a campaign: what it received, by source, and the batch's share of it. */
export interface PoolTrail {
  account: string;
  by: string;
  from_ms: number | null;
  to_ms: number | null;
  received: Amounts;
  share: string;
  amounts: Amounts;
}
export interface Doubt {
  value: string;
  u95: string | null;
  percent: string | null;
  unknown: string[];
}
export interface Explanation {
  row: Batch;
  sources: { source: string; unit: string; amount: string; own: string; allocated: string; inherited: string; entered: string; rounding: string; masses: Mass[] }[];
  pools: PoolTrail[];
  meters: MeterTrail[];
  events: { offset: number; hash: string; event: Record<string, unknown> }[];
  uncertainty: { kwh: Doubt; kg: Doubt | null; traceable_share: string | null } | null;
}
