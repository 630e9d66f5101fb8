/**
 * A recording for the picture of a memory: the measurements of `npm run example remember` with its
 * defaults (seed 1, 3,000 steps), on Node 20. Engines with fused multiply-add round otherwise, and
 * training ends at another model, so the values are kept here. `Remembered` says how they are
 * rounded.
 */
import type { Remembered } from './remembered.ts';

/** A Mamba that copies 4 tokens from among 24 places. */
export const recording: Remembered = {
  signs: '·····D····B····A····D···????',
  factors: [
    'uuqmmmmuummmuummmuummmuummmp',
    'vvrmmmmvvmmmvvmmmvvmmmvvmlkr',
    'yyummmnyymmnyymmnyymmnyyllnq',
    'yyummmmyymmmyymmmyymmmyymlkt',
    'yytmmmmyymmmyymmmyymmmyymllr',
    'xxsmmmmxxmmmxxmmmxxmmmxxmllq',
    'sspmmmmssmmmssmmmssmmmssmmmo',
    'yywmmmnyymmnyymmnyymmnyymllt',
    'xxsmmmnxxmmnxxmmnxxmmnxxmmnp',
    'uuqmmmmuummmuummmuummmuumllq',
    'yyummmmyymmmyymmmyymmmyymlkt',
    'yytmmmmyymmmyymmmyymmmyymlls',
    'yyummmmyymmmyymmmyymmmyymlkt',
    'yyummmnyymmnyymmnyymmnyymlnq',
    'yytmmmnyymmnyymmnyymmnyylmop',
    'yywmmmnyymmnyymmnyymmnyymllt',
    'yyymmmnyymmnyymmnyymmnyyllns',
    'yytmmmmyymnmyymmmyymmmyymljt',
    'yyymmmnyymmnyymmnyymmnyylklw',
    'mmmmmmlmmmmlmmmmlmmmmlmmmmko',
    'yyummmnyymmnyymmnyymmnyymlms',
    'yyummmnyymmnyymmnyymmnyymlnr',
    'yywmmmmyymmnyymmnyymmmyymllu',
    'sspmmmmssmmmssmmmssmmmssmmlp',
    'yyxmmmnyymmnyymmnyymmnyyllmt',
    'xxsmmmnxxmmnxxmmnxxmmnxxmmnp',
    'uuqmmmmuummmuummmuummmuummmo',
    'xxsmmmmwxmmmwxmmmwxmmmwxmlmq',
    'uuqmmmmuummmuummmuummmuumllq',
    'uuqmmmmuvmmmuummmuummmuvmllq',
    'yyymmmnyymmoyymmnyymmnyyllnv',
    'yyvmmmnyymmnyymmnyymmnyyllnr',
    'uuqmmmmuummmuummmuummmuumljr',
    'vvrmmmmvvmmmvvmmmvvmmmvvmllq',
    'yyymmmnyymmnyymmnyymmnyyllnt',
    'yyxmmmnyymmnyymmnyymmnyyllns',
    'yywmmmnyymmnyymmnyymmnyyllor',
    'yyvmmmnyymmnyymmnyymmnyyllnr',
    'uuqmmmmuummmuummmuummmuummmp',
    'yyvmmmnyymmnyymmnyymmnyyllnr',
    'yyvmmmnyymmnyymmnyymmnyyllnr',
    'yyymmmoyymmoyymmnyymmoyyllor',
    'yyvmmmnyymmnyymmnyymmnyyllnr',
    'yyvmmmnyymmnyymmnyymmnyylloq',
    'yyvmmmnyymmnyymmnyymmnyyllnr',
    'yyymmmnyymmnyymmnyymmnyyllnu',
    'yywmmmnyymmnyymmnyymmnyymlms',
    'yywmmmnyymmnyymmnyymmnyyllms',
    'yytmmmmyymmmyymmnyymmmyymlmr',
    'yyummmmyymmmyymmmyymmmyymlkt',
    'yywmmmnyymmnyymmnyymmnyymlmt',
    'yyummmnyymmnyymmnyymmnyymlmr',
    'yyymmmnyymmnyymmnyymmnyyllmu',
    'yywmmmmyymmmyymmmyymmmyymlku',
    'yyummmnyymmnyymmnyymmnyymlmr',
    'lllmmmmllmmmllmmmllmmmllmmln',
    'xxsmmmnxxmmnxxmmnxxmmnxxmlmp',
    'yyvmmmmyymmmyymmmyymmmyymlkt',
    'lllmmmmllmmmllmmmllmmmllmmlm',
    'wwrmmmmvwmmmvwmmmvwmmmvwmlmp',
    'lllmmmmllmmmlkmmmllmmmllmmlm',
    'eeimmmleemmleemmleemmleemmlk',
    'bchmmmmcbmmmccmmmccmmmcbmmmj',
    'aaimmmmaammmaammmaammmaammmk',
  ],
  kept: [
    {
      from: 8,
      left: [
        100, 95, 94, 93, 85, 80, 79, 79, 79, 75, 72, 71, 71, 71, 68, 66, 66, 66, 66, 65,
      ],
    },
    {
      from: 13,
      left: [
        100, 95, 94, 93, 85, 80, 79, 79, 79, 75, 71, 71, 71, 71, 71,
      ],
    },
    {
      from: 18,
      left: [
        100, 95, 94, 93, 85, 80, 79, 79, 79, 78,
      ],
    },
    {
      from: 23,
      left: [
        100, 95, 94, 93, 92,
      ],
    },
  ],
  influence: [
    [
      56, 74, 17, 9, 10, 10, 9, 86, 100, 13, 13, 14, 62, 63, 20, 23, 23, 34, 64, 37, 44, 52, 35,
      43,
    ],
    [
      20, 33, 6, 3, 3, 3, 3, 37, 75, 3, 3, 3, 51, 100, 6, 8, 8, 59, 93, 18, 20, 17, 60, 37,
    ],
    [
      24, 31, 8, 5, 5, 5, 5, 32, 44, 6, 6, 6, 23, 71, 8, 8, 8, 41, 100, 13, 15, 15, 54, 79,
    ],
    [
      5, 8, 2, 1, 1, 1, 1, 9, 19, 1, 1, 1, 11, 24, 1, 1, 1, 12, 36, 3, 3, 3, 25, 100,
    ],
  ],
};
