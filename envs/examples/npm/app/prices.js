'use strict';

const Big = require('big.js');
const slugify = require('slugify');

/** Return the sum of prices such as '0.10', exactly. */
function total(prices) {
  return prices.reduce((sum, price) => sum.plus(price), new Big(0)).toFixed(2);
}

/** Return the code of an article: its name as a URL can have it. */
function code(name) {
  return slugify(name, { lower: true, strict: true });
}

/** Return the line of a price list. */
function line(name, price) {
  return `${code(name)}: ${new Big(price).toFixed(2)}`;
}

module.exports = { code, line, total };
