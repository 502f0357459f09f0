package clusters

import (
	"context"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// slowVoter is a simulated one that takes its time.
type slowVoter struct {
	*simVoter
	delay *time.Duration
}

func (s slowVoter) wait(ctx context.Context) error {
	if *s.delay == 0 {
		return nil
	}
	t := time.NewTimer(*s.delay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s slowVoter) read(ctx context.Context) (*coordinationv1.Lease, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.get()
}

func (s slowVoter) swap(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.cas(lease, 1)
}
func (slowVoter) close() {}

// Nobody writes, and the bytes change with which of the voters answer in time.
func TestBytesOfARecordThatNobodyRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		voters := []Voter{{Name: "a", Config: &rest.Config{}}, {Name: "b", Config: &rest.Config{}}, {Name: "c", Config: &rest.Config{}}}
		sims := []*simVoter{{}, {}, {}}
		open := func(identity string) (*Lock, []*time.Duration) {
			var delays []*time.Duration
			var registers []register
			for _, s := range sims {
				d := new(time.Duration)
				delays, registers = append(delays, d), append(registers, slowVoter{s, d})
			}
			return newLock(voters, registers, Options{Namespace: "n", Name: "l", Identity: identity, Timeout: 2 * time.Second}), delays
		}
		leader, toLeader := open("leader")
		record := resourcelock.LeaderElectionRecord{HolderIdentity: "leader", LeaseDurationSeconds: 15, RenewTime: metav1.Now()}
		if err := leader.Create(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		leader.running.Wait()
		*toLeader[2] = time.Hour // one voter misses the last renewal, and the leader is no more
		time.Sleep(time.Second)
		record.RenewTime = metav1.Now()
		if err := leader.Update(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		leader.running.Wait()

		l, delays := open("candidate")
		changes := 0
		before := ""
		for i := range 60 {
			*delays[1] = time.Duration(i/5%2) * 600 * time.Millisecond // a voter that is slow now and then
			_, raw, err := l.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if string(raw) != before {
				changes++
			}
			before = string(raw)
			time.Sleep(2 * time.Second)
			l.running.Wait()
		}
		if changes > 1 {
			t.Errorf("nobody has written for two minutes, and the bytes have changed %d times: the lease never ends", changes)
		}
	})
}
