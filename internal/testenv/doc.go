// Package testenv is what this repository's own tests, demo, chaos and benchmarks start:
// the control planes of [fairleadtest], under their names there, and [Hostile].
//
// Hostile is a member of another sort: no control plane, but a server in this process
// that answers honestly until it is told what to lie about.
package testenv
