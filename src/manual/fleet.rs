//! A fleet: many replicas share logins by Redis.
//!
//! | a second | looks | sessions loaded | renewals | commands in all | messages | subscriptions (at a time) |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | sticky, one session of ten with traffic | 71,400 | 0 | 369 | 73,600 | 1,110 | 1,000,000 |
//! | sticky, all with traffic | 714,000 | 0 | 3,690 | 736,000 | 11,100 | 10,000,000 |
//! | not sticky, one of ten with traffic | 16,400 | 83,500 | 385 | 332,000 | 190,000 | 165,000,000 |
//! | one login of the service itself, in all replicas | 200 | 0 | 0 | 200 | 1.19 | 1,000 |
