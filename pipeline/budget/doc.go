// Package budget bounds what the changes of several queues take together, from before
// they are read until they are acked. Each lane, and each queue, has a part of it that
// is there for nobody else.
//
// # Usage
//
// Make one Budget for a program, take one Share of it for each route, and one Account
// of that for each cluster. Account.Take and Account.Try return a Loan, which its
// owner releases.
package budget
