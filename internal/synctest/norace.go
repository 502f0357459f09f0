//go:build !race

package synctest

const isRace = false
