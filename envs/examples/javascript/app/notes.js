'use strict';

const fs = require('node:fs');
const path = require('node:path');

/** Write a note to FOLDER and return its path; its title becomes the file's name. */
function write(folder, title, text) {
  const name = title.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const file = path.join(folder, `${name}.txt`);
  fs.writeFileSync(file, text);
  return file;
}

/** Return the titles of the notes in FOLDER, sorted. */
function titles(folder) {
  return fs.readdirSync(folder).map((name) => path.basename(name, '.txt')).sort();
}

module.exports = { titles, write };
