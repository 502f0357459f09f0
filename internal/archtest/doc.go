// Package archtest holds the repository to its own plan: which package may import
// which, that ARCHITECTURE.md names everything there is, and that no test waits on
// the wall clock.
//
//	cmd, bench ──▶ sources/*, sinks/* ──▶ pipeline ──▶ ratelimit ──▶ internal/*
//
// It consists of tests only, reads source files and runs nothing. Files of every
// operating system count. It sees the imports of this repository's packages from
// each other; depguard in .golangci.yml watches over those of other modules.
package archtest
