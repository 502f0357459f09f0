// Package lab is what the programs share that try Fairlead on real API servers: the
// demo and the chaos run.
//
//	Command ──▶ Main: flags, signals, exit codes
//	Servers ──▶ Member: a control plane, a proxy before it, what it holds
//	Program: the fairlead under test, and its pages
//	Rig: the servers that are started for tests
//
// Whatever is started here ends with the program that started it, on Linux also
// when that is killed. A Program may be watched and stopped concurrently; the rest
// is used by one goroutine at a time, but for the clients of a Member.
//
// It decides nothing about what is done to Fairlead, or what is right.
package lab
