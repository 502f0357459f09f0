// Package budget bounds what the changes of several queues take together, from before
// they are read until they are acked. Each lane, and each queue, has a part of it. More
// lanes make each lane's part smaller: what a lane holds beyond its part then counts in
// common, and the others have theirs.
//
// # Usage
//
// Make one Budget for a program, take one Share of it for each route, and one Account
// of that for each cluster. Account.Take and Account.Try return a Loan, which its
// owner releases. What is held and not needed at the moment is given back when somebody
// waits: Share.OnPressure says how, as with the Evict of the route's queue.
package budget
