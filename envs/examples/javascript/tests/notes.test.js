'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { beforeEach, describe, it } = require('node:test');

const notes = require('/srv/notes/notes.js');

describe('notes', () => {
  let folder;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'notes-'));
  });

  it('are named after their titles', () => {
    assert.equal(path.basename(notes.write(folder, 'To do: today', 'sail')), 'to-do-today.txt');
  });

  it('are listed by name', () => {
    notes.write(folder, 'b', '');
    notes.write(folder, 'a', '');
    assert.deepEqual(notes.titles(folder), ['a', 'b']);
  });

  it('can be read by everybody', () => {
    const file = notes.write(folder, 'shared', 'sail');
    assert.equal(fs.statSync(file).mode & 0o777, 0o644);
  });
});
