package main

// elections are simulations of ten minutes each: see locks/clusters/sim_test.go.
func elections(args string) test { return test{"locks/clusters", "TestNeverTwoHolders", args} }

// quorumMutants are without one of the rules of a lock by a majority.
func quorumMutants() []mutant {
	return []mutant{
		{quorumWait, []edit{{
			"locks/clusters/campaign.go",
			"return s.unchanged(wait, l.now())",
			"return true",
		}}, elections("-runs 60")},

		{quorumBegan, []edit{{
			"internal/election/lock.go",
			"l.fence.renew(began, time.Now())",
			"l.fence.renew(time.Now(), time.Now())",
		}}, test{"locks/clusters", "TestTimeCountsFromTheRequestOn", ""}},

		{quorumCount, []edit{{
			"locks/clusters/write.go",
			"case r.yes, r.err != nil && l.rules.unknownIsYes:",
			"case r.yes, r.err != nil:",
		}}, elections("")},

		{quorumMajority, []edit{{
			"locks/clusters/clusters.go",
			"return len(l.seats)/2 + 1",
			"return len(l.seats) / 2",
		}}, elections("")},

		{quorumClock, []edit{{
			"locks/clusters/seat.go",
			"return now.Sub(s.since) >",
			"return now.Sub(s.vote.record.RenewTime.Time) >",
		}}, test{"locks/clusters", "TestTimesOfOthersDecideNothing", ""}},

		{quorumRestore, []edit{{
			"locks/clusters/seat.go",
			"return s.suspect.IsZero() || now.Sub(s.suspect) > d",
			"return true",
		}}, test{"locks/clusters", "TestVotersThatForget", ""}},
	}
}
