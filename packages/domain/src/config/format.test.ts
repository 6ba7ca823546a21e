// Goal: a content gets the format that its publisher must have meant.
import { HoldfastError } from '@holdfast/base/errors';
import { describe, expect, it } from 'vitest';
import { detectFormat, mediaTypeOf, parseFormat } from './format.ts';

describe('detectFormat', () => {
  it.each([
    [{ name: 'a.json', format: 'text' as const }, 'text'],
    [{ name: 'a.YML', mediaType: 'application/json' }, 'yaml'],
    [{ name: 'dir.json/a', mediaType: 'Application/XML; charset=utf-8' }, 'xml'],
    [{ name: 'a', mediaType: 'application/x-www-form-urlencoded' }, undefined],
    [{ name: 'a', mediaType: 'text/plain' }, undefined],
    [{ name: 'nginx.conf', mediaType: 'application/json' }, 'text'],
    [{ name: '.json' }, 'json'],
    [{ name: 'json' }, undefined],
  ])('finds in %j: %s', (hints, format) => {
    expect(detectFormat(hints)).toBe(format);
  });

  it('refuses words that name no format', () => {
    expect(() => parseFormat('jsonc')).toThrow(HoldfastError);
    expect(parseFormat('xml')).toBe('xml');
  });

  it('answers text that is none as bytes', () => {
    expect(mediaTypeOf('text', new Uint8Array([0xff]))).toBe('application/octet-stream');
    expect(mediaTypeOf('text', new Uint8Array([0x61]))).toMatch(/^text\/plain/);
  });
});
