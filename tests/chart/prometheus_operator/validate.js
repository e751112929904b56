// Prints one line for each invalid object in the JSON list on standard input.
import { readFileSync } from "node:fs";
import * as v1 from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index";

for (const object of JSON.parse(readFileSync(0, "utf-8"))) {
  try {
    new v1[object.kind](object).validate();
  } catch (error) {
    console.log(`${object.kind}: ${error.message}`);
  }
}
