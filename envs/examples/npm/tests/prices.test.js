'use strict';

const { describe, it } = require('node:test');

const { expect } = require('chai');

const prices = require('/srv/prices/prices.js');

describe('prices', () => {
  it('are added exactly', () => {
    expect(prices.total(['0.10', '0.20'])).to.equal('0.30');
  });

  it('have two decimals in a line', () => {
    expect(prices.line('Ship’s biscuit', '3.5')).to.equal('ships-biscuit: 3.50');
  });

  it('are of articles with codes', () => {
    expect(prices.code('Crème brûlée, 2 pieces')).to.equal('creme-brulee-2-pieces');
  });
});
