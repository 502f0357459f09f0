package main

// The rules of moves between the cursors of one resource, when other namespaces are followed.
const (
	moveOwner   = "moves: what waits is not handed over once another stream has the cursor's place"
	moveBack    = "moves: a stream gives back what it has not told to be gone, if that is followed again"
	moveDue     = "moves: what may have been told to be gone is due"
	moveRaises  = "moves: the generation is above those of both cursors"
	moveNumbers = "moves: the numbers are above those of both cursors"
	moveAtOnce  = "moves: the rest is not stored without what has moved"
	moveStored  = "moves: what has moved is stored before it is told to be gone"
	moveBeyond  = "moves: a new cursor begins in a generation above those of the others"
	moveAgain   = "moves: a cursor that others have got objects of begins beyond those"
	moveTold    = "moves: what others have told is stored before a new cursor tells anything"
)

var moveRules = []string{moveOwner, moveBack, moveDue, moveRaises, moveNumbers, moveAtOnce, moveStored, moveBeyond, moveAgain, moveTold}

// moving are histories in which other namespaces are followed: see internal/ledger/moves_history_test.go.
func moving(args string) test { return test{"internal/ledger", "TestRandomMoves", args} }

// moveMutants are without one of the rules of moves.
func moveMutants() []mutant {
	one := func(rule, was, is string, t test) mutant {
		return mutant{rule, []edit{{"internal/ledger/move.go", was, is}}, t}
	}
	return []mutant{
		one(moveOwner, "if c.owner > 0 && !m.goesOn {", "if false {", moving("-move-seeds 300")),
		one(moveBack, `case goesOn && (id.Namespace == "" ||`, "case goesOn && (true ||", moving("-move-seeds 300")),
		one(moveDue, "o.due != c.due || c.mayHaveToldLocked()", "o.due != c.due", moving("-move-seeds 300")),
		one(moveRaises, "\t\tto.raiseGenerationLocked()\n", "", moving("-move-seeds 300")),
		one(moveNumbers, "\tto.beginNumbersLocked(head.Limit)\n", "", moving("-move-seeds 300")),
		one(moveAtOnce, "// The rest must not be stored without what has moved.\n\t\tc.headDirty, c.headFirst = true, true\n", "\n", moving("-move-seeds 300")),
		one(moveStored, "\tto.headsFirstLocked()\n", "\tto.headDirty, to.headFirst = true, true\n",
			test{"internal/ledger", "TestWhatHasMovedIsStoredBeforeItIsTold", ""}),
		one(moveBeyond, "c.head.Generation = generation\n\t\tc.raiseGenerationLocked()", "c.head.Generation = generation",
			test{"internal/ledger", "TestObjectsThatAnotherStreamHasTold", ""}),
		{moveAgain, []edit{{"internal/ledger/ledger.go", "\t\tl.beginsAgainLocked(c)\n", ""}},
			test{"internal/ledger", "TestObjectsThatAnotherStreamHasTold", ""}},
		one(moveTold, "if len(c.dirty) > 0 {", "if false {", test{"internal/ledger", "TestWhatOthersHaveToldIsStoredFirst", ""}),
	}
}
