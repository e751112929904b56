// Read [{transformations, frames}], apply the transformations, and print the columns of each table by name.
import data from './grafana_data.mjs';
import { text } from 'node:stream/consumers';
import { lastValueFrom } from 'rxjs';

const context = { interpolate: (value) => value };
const tables = [];
for (const { transformations, frames } of JSON.parse(await text(process.stdin))) {
  const made = await lastValueFrom(
    data.transformDataFrame(transformations, frames.map((frame) => data.toDataFrame(frame)), context)
  );
  tables.push(
    made.map((frame) => frame.fields.map((field) => [data.getFieldDisplayName(field, frame, made), field.values]))
  );
}
process.stdout.write(JSON.stringify(tables));
