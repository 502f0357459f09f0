package main

// histories are of cursors with small models of all else: see internal/ledger/history_test.go.
func histories(args string) test { return test{"internal/ledger", "TestRandomHistories", args} }

// ledgerMutants are without one of the rules of the ledger.
func ledgerMutants() []mutant {
	return []mutant{
		{ledgerDuplicate, []edit{{
			"internal/ledger/observe.go",
			"if acked != nil && !deleted && acked.version == seen &&",
			"if false && acked != nil && !deleted && acked.version == seen &&",
		}}, test{"internal/ledger", "TestVerdicts", ""}},

		{ledgerStale, []edit{{
			"internal/ledger/observe.go",
			"if !snapshot && c.isStaleLocked(key, acked, seen, deleted) {",
			"if false {",
		}}, histories("-seeds 100")},

		{ledgerResume, []edit{{
			"internal/ledger/delivery.go",
			"\tif oldest := c.order.head(); oldest != nil {\n\t\tto = oldest.before\n\t}\n",
			"",
		}}, histories("-seeds 100")},

		{ledgerSnapshot, []edit{{
			"internal/ledger/cursor.go",
			"c.lostLocked() || c.snapshotting && !c.swept ||",
			"c.lostLocked() ||",
		}}, histories("-seeds 100")},

		{ledgerSweep, []edit{{
			"internal/ledger/sweep.go",
			"if s.lookAtPending(yield) &&",
			"if !s.retiring || s.lookAtPending(yield) &&",
		}}, histories("-seeds 100")},

		{ledgerTogether, []edit{{
			"internal/ledger/persist.go",
			"b.names = slices.AppendSeq(make([]name, 0, len(c.dirty)), maps.Keys(c.dirty))",
			"maps.DeleteFunc(c.dirty, func(name, struct{}) bool { return true })\n" +
				"\t\tfor _, n := range b.intents {\n\t\t\tb.names = slices.Concat(b.names, []name{n.name})\n\t\t}",
		}}, histories("-seeds 100")},

		{ledgerNote, []edit{{
			"internal/ledger/delivery.go",
			"c.dirty[at], c.unstoredIntents[at] = struct{}{}, c.lastIntent",
			"c.dirty[at] = struct{}{}",
		}}, histories("-seeds 100")},

		{ledgerUIDFirst, []edit{{
			"internal/ledger/delivery.go",
			"ghosts = c.ghostsLocked(o, unacked, u)",
			"ghosts = nil",
		}}, histories("-seeds 100")},

		{ledgerFew, []edit{{
			"internal/ledger/delivery.go",
			"goAlone := len(ghosts) >= c.ghostsAtOnce",
			"goAlone := false",
		}}, test{"internal/ledger", "TestOneNameIsCreatedAgainWhileASinkRefuses", ""}},

		{ledgerHeldBack, []edit{{
			"internal/ledger/ghosts.go",
			"\t\tc.rememberLocked(n, before)\n",
			"",
		}}, test{"internal/ledger", "TestAGhostThatIsToldAloneIsNotRevived", ""}},

		{ledgerAckedUID, []edit{{
			"internal/ledger/delivery.go",
			"case known && len(ghosts) > 0:",
			"case false:",
		}}, test{"internal/ledger", "TestTheAckedUIDBehindFewGhostsIsNoDuplicate", ""}},

		{ledgerRemembers, []edit{{
			"internal/ledger/remember.go",
			"\tc.deleted[n] = at\n",
			"",
		}}, histories("-seeds 1000")},
	}
}
