package clusters

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
)

// annotation holds what a vote says beside the record, which stands in the fields of
// the Lease.
const annotation = "locks.fairlead.dev/vote"

// maxAnnotation bounds the annotation, in bytes: fifteen voters with long names and
// their UIDs are 5 KiB.
const maxAnnotation = 16 << 10

// vote is what one voter's Lease says.
type vote struct {
	// Voter is whose Lease it is, and Voters the set that it belongs to.
	Voter  string `json:"voter"`
	Voters string `json:"voters"`
	// Term grows with each process that takes the record. At one voter it never
	// shrinks.
	Term uint64 `json:"term"`
	// Ballot is one write of one lock: the same at every voter that it has reached.
	Ballot string `json:"ballot"`
	// Writes is how often the Lease was written. It goes back if the voter was
	// restored from a backup.
	Writes uint64 `json:"writes"`

	record resourcelock.LeaderElectionRecord
}

// highestTerm is the highest term that a vote may claim. A record that is made begins
// with the time in microseconds, and terms are slower than that, so an honest vote
// claims less than the clock of whoever made the record said. A voter that lies must
// not drive the terms to where none is left.
func highestTerm(now time.Time) uint64 { return firstTerm(now) + 1<<48 } // nine years ahead

// highestAlone is the highest term that is believed of one voter alone.
func highestAlone(now time.Time) uint64 { return firstTerm(now) + 1<<47 }

// firstTerm is the term with which a record begins that is made at that time: higher
// than those of an earlier record, if there was one that was deleted.
func firstTerm(now time.Time) uint64 { return uint64(max(now.UnixMicro(), 1)) }

var errForeign = errors.New("it was written by other software; use another name, or delete it while nothing uses it")

// decode returns what a Lease says, which may be anything.
func decode(lease *coordinationv1.Lease, voter, voters string, now time.Time) (vote, error) {
	text, ok := lease.Annotations[annotation]
	switch {
	case !ok:
		return vote{}, errForeign
	case len(text) > maxAnnotation:
		return vote{}, fmt.Errorf("its annotation %s has %d bytes, of at most %d", annotation, len(text), maxAnnotation)
	}
	var v vote
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return vote{}, fmt.Errorf("its annotation %s is no vote; delete the Lease while nothing uses it", annotation)
	}
	v.record = *resourcelock.LeaseSpecToLeaderElectionRecord(&lease.Spec)
	switch {
	case v.Voters != voters:
		return vote{}, fmt.Errorf("it belongs to the voters %s, and here they are %s; voters are changed as the documentation says, not by the parameter alone", shown(v.Voters), shown(voters))
	case v.Voter != voter:
		return vote{}, fmt.Errorf("it is the vote of %s: two voters are one cluster, or were exchanged", shown(v.Voter))
	case v.Term == 0 || v.Term > highestTerm(now):
		return vote{}, fmt.Errorf("it claims the term %d, which cannot be; look at the clock of this machine, and at the cluster", v.Term)
	case v.Writes == 0 || v.Ballot == "" || len(v.Ballot) > maxBallot:
		return vote{}, fmt.Errorf("its annotation %s is incomplete; delete the Lease while nothing uses it", annotation)
	case v.record.LeaseDurationSeconds < 0 || v.record.LeaderTransitions < 0:
		return vote{}, errors.New("its numbers are negative")
	}
	if holder := v.record.HolderIdentity; holder != "" {
		if err := locks.CheckIdentity(holder); err != nil {
			return vote{}, errors.New("its holder can be no process: the name is longer than 1,024 bytes, or not UTF-8")
		}
	}
	return v, nil
}

const maxBallot = 64

// encode returns the Lease that says v, in place of the one that was seen, whose labels
// and other annotations stay; nil: to be made.
func encode(v vote, seen *coordinationv1.Lease, namespace, name string) (*coordinationv1.Lease, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if seen != nil {
		seen.ObjectMeta.DeepCopyInto(&lease.ObjectMeta)
		lease.ManagedFields = nil
	}
	if lease.Annotations == nil {
		lease.Annotations = map[string]string{}
	}
	lease.Annotations[annotation] = string(text)
	lease.Spec = resourcelock.LeaderElectionRecordToLeaseSpec(&v.record)
	return lease, nil
}

// key is equal for votes of one write of one process, and of no other.
func (v *vote) key() string {
	r := &v.record
	b := make([]byte, 0, 160)
	b = strconv.AppendUint(b, v.Term, 10)
	for _, text := range []string{v.Ballot, r.HolderIdentity} {
		b = strconv.AppendQuote(append(b, ' '), text)
	}
	for _, n := range []int64{int64(r.LeaseDurationSeconds), int64(r.LeaderTransitions), r.AcquireTime.UnixMicro(), r.RenewTime.UnixMicro()} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	return string(b)
}

// shown is a text of somebody else as an error shows it.
func shown(text string) string {
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strconv.Quote(text)
}
