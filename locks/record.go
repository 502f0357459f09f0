package locks

import (
	"encoding/json"
	"errors"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// stored is a record as a register keeps it. The times of client-go's JSON are whole
// seconds, so that two renewals within one would be the same bytes: those who watch
// would see none, and a backend may take the second for no write.
type stored struct {
	Holder          string           `json:"holder"`
	LeaseDuration   int              `json:"leaseDurationSeconds"`
	Acquired        metav1.MicroTime `json:"acquired"`
	Renewed         metav1.MicroTime `json:"renewed"`
	Transitions     int              `json:"transitions"`
	Strategy        string           `json:"strategy,omitempty"`
	PreferredHolder string           `json:"preferredHolder,omitempty"`
	// Writes counts the writes of the record, so that no two are the same bytes.
	Writes uint64 `json:"writes"`
}

// encode returns the value of a record that is written for the nth time.
func encode(r resourcelock.LeaderElectionRecord, writes uint64) ([]byte, error) {
	return json.Marshal(stored{
		Holder: r.HolderIdentity, LeaseDuration: r.LeaseDurationSeconds,
		Acquired: metav1.MicroTime(r.AcquireTime), Renewed: metav1.MicroTime(r.RenewTime),
		Transitions: r.LeaderTransitions, Strategy: string(r.Strategy), PreferredHolder: r.PreferredHolder,
		Writes: writes,
	})
}

// decode returns the record that a value holds, and how often it was written.
func decode(value []byte) (resourcelock.LeaderElectionRecord, uint64, error) {
	var s stored
	if len(value) > MaxValue {
		return resourcelock.LeaderElectionRecord{}, 0, fmt.Errorf("the value is longer than %d bytes", MaxValue)
	}
	if err := json.Unmarshal(value, &s); err != nil {
		return resourcelock.LeaderElectionRecord{}, 0, err
	}
	if s.Writes == 0 {
		return resourcelock.LeaderElectionRecord{}, 0, errors.New("it does not count its writes") // another program's
	}
	return resourcelock.LeaderElectionRecord{
		HolderIdentity: s.Holder, LeaseDurationSeconds: s.LeaseDuration,
		AcquireTime: metav1.Time(s.Acquired), RenewTime: metav1.Time(s.Renewed),
		LeaderTransitions: s.Transitions, Strategy: coordinationv1.CoordinatedLeaseStrategy(s.Strategy), PreferredHolder: s.PreferredHolder,
	}, s.Writes, nil
}
