package main

// Tests of the table that play random histories, of real streams, queues and cursors or of
// cursors alone. The seeds are those at which they went wrong first when they were looked for.
func streams(args string) test   { return test{"sources/stream", "TestRoutes", args} }
func selecting(args string) test { return test{"sources/stream", "TestRoutesWithRules", args} }
func cursors(args string) test   { return test{"internal/ledger", "TestRoutes", args} }
func letters(args string) test   { return test{"internal/ledger", "TestRoutesWithDeadLetters", args} }

// routeMutants are without one of the rules that the model of routes has.
func routeMutants() []mutant {
	return []mutant{
		{routeSkips, []edit{{
			"sources/stream/branch.go",
			"if place != 0 && place <= b.skip {",
			"if false {",
		}}, test{"sources/stream", "TestRouteSkipsWhatItHasSeenByItself", ""}},

		// Not only of those that are in step.
		{routePosition, []edit{{
			"sources/stream/read.go",
			"for _, b := range a.branches() {\n\t\tb.cursor.Seen(version)",
			"for _, b := range a.Stream.branches {\n\t\tb.cursor.Seen(version)",
		}}, streams("-route-seeds 25")},

		// So it is at the end of a snapshot. The cursor of one that has left in it does not believe
		// that, which has to go, too.
		{routeSnapshot, []edit{{
			"sources/stream/snapshot.go",
			"for _, b := range a.branches() {\n\t\tb.cursor.Seen(version)",
			"for _, b := range a.Stream.branches {\n\t\tb.cursor.Seen(version)",
		}, {
			"internal/ledger/cursor.go",
			"c.lostLocked() || c.snapshotting && !c.swept ||",
			"c.lostLocked() ||",
		}}, streams("-route-seeds 25")},

		{routeBegun, []edit{{
			"internal/ledger/due.go",
			"if sequence <= c.dueSince {",
			"if false {",
		}}, cursors("-first-seed 731 -route-seeds 100")},

		{routeStored, []edit{{
			"sources/replay.go",
			"if err := s.o.Ledger.Flush(ctx, cluster); err != nil {",
			"if err := ctx.Err(); err != nil {",
		}}, test{"sources", "TestReplaySurvivesAKill", ""}},
		{routeStored, []edit{{
			"internal/ledger/unclaimed.go",
			"return l.Keep(keptDue+cluster, value.String())",
			"return nil",
		}}, test{"sources", "TestReplaySurvivesAKill", ""}},
		{routeStored, []edit{{
			"internal/ledger/unclaimed.go",
			"if l.writer == nil {",
			"if true {",
		}}, test{"internal/ledger", "TestReplaysOfWhatIsNotClaimed", ""}},
		{routeStored, []edit{{
			"internal/ledger/due.go",
			"// would be taken for done when that is raised.\n\tc.headDirty, c.headFirst = true, true",
			"// would be taken for done when that is raised.",
		}}, test{"internal/ledger", "TestThatAllIsDueIsStored", ""}},

		{routeLeaves, []edit{{
			"internal/ledger/observe.go",
			"if s.Outside && (snapshot || !c.leavesLocked(key, p, acked)) {",
			"if s.Outside {",
		}}, selecting("")},

		{routeKeeps, []edit{{
			"internal/ledger/unwatched.go",
			"if c.missingFor((*head).routeGone, now) >= l.retention {",
			"if !l.hasRoute(id.Route) {",
		}}, test{"internal/ledger", "TestRoutesThatAreTakenOut", ""}},

		{routeGivesWay, []edit{{
			"pipeline/queue/delay.go",
			"case q.isOutdatedLocked(e, item), e.present() && !q.isNewer(item, &e.item):",
			"case false:",
		}}, streams("-route-seeds 25")},

		{routeVersioned, []edit{{
			"pipeline/cloudevents.go",
			"\tdst = jsontext.AppendEscaped(dst, escapePart(c.ResourceVersion))\n\tif c.Op == Deleted {\n\t\tif c.ResourceVersion != \"\" {",
			"\tif c.Op != Deleted {\n\t\tdst = jsontext.AppendEscaped(dst, escapePart(c.ResourceVersion))\n\t} else {\n\t\tif false {",
		}, {
			"pipeline/event.go", // which would refuse such an event
			"\t\tif state != \"\" {\n\t\t\tstate += \"/\"\n\t\t}\n\t\tstate, before = state+\"deleted\", \"deleted\"",
			"\t\tstate, before = \"deleted\", \"deleted\"",
		}}, streams("-route-seeds 25")},

		{routeGeneration, []edit{{
			"internal/ledger/owner.go",
			"hold in the same version.\n\t\t\tc.raiseGenerationLocked()",
			"hold in the same version.",
		}}, cursors("-route-seeds 100")},
	}
}

// foundMutants are without one of the rules of routes that the model does not have.
func foundMutants() []mutant {
	return []mutant{
		{routeNumbered, []edit{{
			"internal/ledger/numbers.go",
			"last := max((c.head.Limit+1)&^1, uint64(time.Now().UnixMicro())&^1)",
			"last := uint64(0)",
		}}, cursors("-route-seeds 100")},

		{routeRefuses, []edit{{
			"internal/ledger/delivery.go",
			"\t\tc.givesUpLocked(key, sequence)\n\t\treturn nil, false, false, true",
			"\t\tc.givesUpLocked(key, sequence)\n\t\treturn nil, false, false, false",
		}}, cursors("-route-seeds 100")},

		{routeToldAnew, []edit{{
			"internal/ledger/retire.go",
			"\t\tc.head.Told = true\n",
			"",
		}}, test{"internal/ledger", "TestRoutesUnwatched", ""}},

		{routeOdd, []edit{{
			"sources/stream/branch.go",
			"if odd && b.skip > 0 && !b.framed {",
			"if false {",
		}}, test{"sources/stream", "TestOddDeletionIsSkippedBehindFramesOnly", ""}},
		{routeOdd, []edit{{
			"sources/stream/position.go",
			"reached(p.at, other.quiet) && !other.odd",
			"reached(p.at, other.quiet)",
		}}, test{"sources/stream", "TestRouteDoesNotJoinAtAnOldVersion", ""}},

		{routeAnew, []edit{{
			"internal/ledger/owner.go",
			"\t\t\t} else {\n\t\t\t\tc.anewLocked()\n\t\t\t}",
			"\t\t\t}",
		}}, cursors("-route-seeds 100")},

		{routeKilled, []edit{{
			"internal/ledger/generation.go",
			"func (c *Cursor) lostSightLocked() {\n\tc.head.Generation++",
			"func (c *Cursor) lostSightLocked() {",
		}}, cursors("-route-seeds 100")},

		{routeFirst, []edit{{
			"internal/ledger/generation.go",
			"\tc.head.Generation++\n\tc.reobserved = nil\n\tc.headsFirstLocked()",
			"\tc.head.Generation++\n\tc.reobserved = nil",
		}}, cursors("-route-seeds 100")},

		{routeMayHaveTold, []edit{{
			"internal/ledger/owner.go",
			"if c.mayHaveToldLocked() {",
			"if false {",
		}}, cursors("-route-seeds 100")},

		{routeNewest, []edit{{
			"internal/ledger/redeliver.go",
			"case deleted && acked.uid != seen.uid:",
			"case false:",
		}}, letters("-route-seeds 100")},
	}
}
