// What an event says, in words.

import { type Told, detailOf } from "../live/production";
import { name } from "./language.svelte";

export const detail = (event: Told): string =>
  detailOf(event).map(([field, value]) => `${name("detail", field)} ${name(field, value)}`).join(" · ");
