// Package sinkbench compares a sink with the client library that it is made of, used
// directly at its best, for the benchmarks of sinks.
package sinkbench
