import { expect, test } from "vitest";
import { byUnit, isZero, largest, sum } from "../src/say/decimals";

test("sums of decimals are exact", () => {
  expect(sum(["0.1", "0.2", "-0.000001"])).toBe("0.299999");
  expect(sum(["-5", "1.25"])).toBe("-3.75");
  expect(sum(["9007199254740993.000001", "0"])).toBe("9007199254740993.000001");
  expect(sum([])).toBe("0");
});

test("zero is zero however it is written", () => {
  const written = ["0", "0.000000", "-0.0", "0.000001", "10"];
  expect(written.map(isZero)).toEqual([true, true, true, false, false]);
});

test("opposite errors do not hide each other", () => {
  expect(largest(["0.1", "-0.3", "0.2"])).toBe("-0.3");
  expect(largest([])).toBe("0");
});

test("amounts of different units are never added", () => {
  const units: Record<string, string> = { grid: "kWh", pv: "kWh", gas: "Nm3" };
  const groups = byUnit({ gas: "0.5", grid: "1.25", pv: "0.75" }, (source) => units[source]!);
  expect(groups.map(({ unit, total }) => [unit, total])).toEqual([["kWh", "2.00"], ["Nm3", "0.5"]]);
});
