// Package fleettest is the conformance suite of member sources: what every
// [fleet.Provider] must do, whatever describes its clusters.
//
//	suite ── Describe, Remove, Write ──▶ files, objects, ... ◀── Scan, Follow ── provider
//	suite ◀────────── Set, Remove, Problems ────────── fleet ◀──────┘
//
// The suite runs a [fleet.Fleet] over the provider. It checks that clusters join,
// change and leave as they are described, and not otherwise; that a description
// which cannot be used is told, harms no other cluster, and takes nothing from the
// one that was good before; that no message holds a credential; and that everything
// ends with its context.
//
// # Usage
//
//	func TestConformance(t *testing.T) {
//		fleettest.Run(t, func(t testing.TB) fleettest.Place { ... })
//	}
package fleettest
