// The page. Each event of the live stream is taken in whole; what is shown follows from it.

import { mount } from "svelte";
import App from "./App.svelte";
import { watch } from "./live/live.svelte";
import { speak } from "./say/language.svelte";
import "./style/tokens.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/layout.css";
import "./style/wall.css";
import "./style/print.css";

// Both are under way at once: the texts, and the first snapshot.
watch();
await speak();
mount(App, { target: document.body });
