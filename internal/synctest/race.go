//go:build race

package synctest

const isRace = true
