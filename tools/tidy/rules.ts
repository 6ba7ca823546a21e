// All house rules, in the order in which they are reported.
import type { Rule } from './rule.ts';
import { ambient, builtins, seams } from './rules/ambient.ts';
import { arrows, doors, exportsShape, typeArrows } from './rules/arrows.ts';
import { circles } from './rules/circles.ts';
import {
  acceptance,
  architecture,
  bugs,
  invariants,
  links,
  plantedBugs,
} from './rules/documents.ts';
import { swallowed } from './rules/errors.ts';
import * as shape from './rules/shape.ts';
import * as text from './rules/text.ts';

export const rules: readonly Rule[] = [
  arrows,
  doors,
  typeArrows,
  exportsShape,
  circles,
  builtins,
  ambient,
  seams,
  swallowed,
  ...Object.values(shape),
  ...Object.values(text),
  acceptance,
  bugs,
  plantedBugs,
  invariants,
  architecture,
  links,
];
