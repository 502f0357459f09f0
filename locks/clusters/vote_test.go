package clusters

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// good is a vote as a lock writes it.
func good(holder string) vote {
	r := by(holder)
	r.AcquireTime, r.RenewTime = metav1.NewTime(noon), metav1.NewTime(noon)
	return vote{Voter: "a", Voters: "a,b,c", Term: firstTerm(noon), Ballot: "x-1", Writes: 1, record: r}
}

func leaseOf(t testing.TB, v vote) *coordinationv1.Lease {
	t.Helper()
	lease, err := encode(v, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{UID: "1", ResourceVersion: "1", Labels: map[string]string{"kept": "yes"}}}, "ns", "lock")
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func TestVotesThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*vote, *coordinationv1.Lease)
		want   string
	}{
		"another set":         {func(v *vote, _ *coordinationv1.Lease) { v.Voters = "a,b,d\n\x1b[31m" }, `belongs to the voters "a,b,d\n\x1b[31m"`},
		"a very long set":     {func(v *vote, _ *coordinationv1.Lease) { v.Voters = strings.Repeat("ü", 4000) }, "belongs to the voters"},
		"another voter":       {func(v *vote, _ *coordinationv1.Lease) { v.Voter = "b" }, "two voters are one cluster"},
		"no term":             {func(v *vote, _ *coordinationv1.Lease) { v.Term = 0 }, "claims the term 0"},
		"the last term":       {func(v *vote, _ *coordinationv1.Lease) { v.Term = math.MaxUint64 }, "claims the term"},
		"no ballot":           {func(v *vote, _ *coordinationv1.Lease) { v.Ballot = "" }, "incomplete"},
		"a long ballot":       {func(v *vote, _ *coordinationv1.Lease) { v.Ballot = strings.Repeat("x", 65) }, "incomplete"},
		"no count":            {func(v *vote, _ *coordinationv1.Lease) { v.Writes = 0 }, "incomplete"},
		"a long holder":       {func(v *vote, _ *coordinationv1.Lease) { v.record.HolderIdentity = strings.Repeat("x", 1025) }, "can be no process"},
		"a negative duration": {func(v *vote, _ *coordinationv1.Lease) { v.record.LeaseDurationSeconds = -1 }, "negative"},
		"no annotation":       {func(_ *vote, l *coordinationv1.Lease) { l.Annotations = nil }, "other software"},
		"no JSON":             {func(_ *vote, l *coordinationv1.Lease) { l.Annotations[annotation] = "{" }, "is no vote"},
		"a huge annotation":   {func(_ *vote, l *coordinationv1.Lease) { l.Annotations[annotation] = strings.Repeat("x", 1<<20) }, "1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			v := good("h")
			tc.change(&v, leaseOf(t, v))
			lease := leaseOf(t, v)
			tc.change(&v, lease)
			_, err := decode(lease, "a", "a,b,c", noon)
			if err == nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%v, want a short line with %q", err, tc.want)
			}
		})
	}
}

// What is written is read, and what others have put on the Lease stays.
func TestVotesAreKept(t *testing.T) {
	want := good("line\nbreak \u202e")
	lease := leaseOf(t, want)
	got, err := decode(lease, "a", "a,b,c", noon)
	if err != nil || got.key() != want.key() || got.Writes != want.Writes || lease.Labels["kept"] != "yes" {
		t.Errorf("%+v, %v, labels %v; want %+v", got, err, lease.Labels, want)
	}
}

// FuzzDecode: whatever a Lease holds, it is refused or a vote within bounds.
func FuzzDecode(f *testing.F) {
	text, err := json.Marshal(good("h"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text), "h", int32(15), int32(1))
	f.Add(`{"voter":"a","voters":"a,b,c","term":18446744073709551615,"ballot":"b","writes":1}`, "\xff\x1b", int32(-1), int32(-1))
	f.Add(`{"term":-1}`, "", int32(0), int32(0))
	f.Fuzz(func(t *testing.T, text, holder string, duration, transitions int32) {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{annotation: text}}}
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.LeaseTransitions = &holder, &duration, &transitions
		v, err := decode(lease, "a", "a,b,c", noon)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if v.Term == 0 || v.Term > highestTerm(noon) || v.Voter != "a" || v.Voters != "a,b,c" || len(v.Ballot) > maxBallot || len(v.record.HolderIdentity) > 1024 {
			t.Errorf("accepted: %+v", v)
		}
		if v.Writes == math.MaxUint64 {
			return
		}
		again, err := encode(v, lease, "ns", "lock")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decode(again, "a", "a,b,c", noon); err != nil || got.key() != v.key() {
			t.Errorf("%+v is written as %+v: %v", v, got, err)
		}
	})
}

// TestALiarDoesNotLiftTheTerm: of a term that one voter alone claims no more is believed
// than that it is some years ahead, and that voter has no vote.
func TestALiarDoesNotLiftTheTerm(t *testing.T) {
	v := newThree()
	first, _ := v.lock(t, "first", rules{})
	ok(t, first.Create(t.Context(), by("first")))
	ok(t, first.Close())
	lie := func(voter *simVoter, term uint64) {
		voter.mu.Lock()
		defer voter.mu.Unlock()
		lie, err := decode(voter.lease, "voter-2", first.voters, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		lie.Term, lie.record.HolderIdentity = term, ""
		lease, err := encode(lie, voter.lease, "ns", "lock")
		if err != nil {
			t.Fatal(err)
		}
		voter.rev++
		lease.ResourceVersion = fmt.Sprint(voter.rev)
		voter.lease = lease
	}
	for name, term := range map[string]uint64{
		"the last": math.MaxUint64, "beyond belief": highestTerm(time.Now().Add(time.Hour)), "alone": highestTerm(time.Now().Add(-time.Hour)),
	} {
		honest := v[2].lease
		lie(v[2], term)
		second, _ := v.lock(t, "second", rules{})
		_, _, err := second.Get(t.Context())
		ok(t, err)
		ok(t, second.Update(t.Context(), by("second")))
		if second.Token() <= first.Token() || second.Token() > firstTerm(time.Now())+1000 {
			t.Errorf("%s: term %d after %d", name, second.Token(), first.Token())
		}
		_, _, err = first.Get(t.Context())
		ok(t, err)
		ok(t, first.Update(t.Context(), by("first")))
		ok(t, first.Close())
		ok(t, second.Close())
		v[2].lease = honest
	}
}
