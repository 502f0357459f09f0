// Package bench measures Fairlead against its peers on the same work in the same
// run: it consists of benchmarks, and of TestCut, which some of them need for virtual time.
//
//	go test -bench . ./bench            what needs nothing but Go, and, once there
//	                                    are API servers (make control-plane), the rest
//	make bench                          all packages' six times, and the report
//	go run ./bench/fleetload            a simulated fleet of a shape of your own
//
// A row of the report is one top-level benchmark; its cases are key=value, and
// the last key is the implementation, so that benchstat compares them with
// -col /impl. Goals are ratios against a peer, or limits; the report
// (bench/report) knows them, benchmarks only measure.
package bench
