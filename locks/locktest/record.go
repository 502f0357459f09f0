package locktest

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// difference says in which of the fields that an election uses two records
// differ. Strategy and PreferredHolder are of coordinated elections, which are of
// Leases only.
func difference(got, want resourcelock.LeaderElectionRecord) string {
	var wrong []string
	note := func(field string, equal bool, got, want any) {
		if !equal {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", field, got, want))
		}
	}
	note("HolderIdentity", got.HolderIdentity == want.HolderIdentity, shown(got.HolderIdentity), shown(want.HolderIdentity))
	note("LeaseDurationSeconds", got.LeaseDurationSeconds == want.LeaseDurationSeconds, got.LeaseDurationSeconds, want.LeaseDurationSeconds)
	note("LeaderTransitions", got.LeaderTransitions == want.LeaderTransitions, got.LeaderTransitions, want.LeaderTransitions)
	note("AcquireTime", sameMicro(got.AcquireTime, want.AcquireTime), got.AcquireTime.Time, want.AcquireTime.Time)
	note("RenewTime", sameMicro(got.RenewTime, want.RenewTime), got.RenewTime.Time, want.RenewTime.Time)
	return strings.Join(wrong, "; ")
}

func sameMicro(a, b metav1.Time) bool { return a.UnixMicro() == b.UnixMicro() }

// shown is a text as an error shows it.
func shown(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q... (%d bytes)", s[:most], len(s))
	}
	return fmt.Sprintf("%q", s)
}

func missing(t testing.TB, b Backend) {
	l := b.Open(t, "a")
	for range 2 { // also after somebody has looked
		_, _, err := l.Get(t.Context())
		refused(t, "Get of a record that does not exist", err, "NotFound")
	}
}

func createOnce(t testing.TB, b Backend) {
	first, second := b.Open(t, "a"), b.Open(t, "b")
	create(t, first, held("a"))
	refused(t, "Create of a record that exists", second.Create(t.Context(), held("b")), "AlreadyExists")
	refused(t, "Create of a record of one's own", first.Create(t.Context(), renewed(held("a"), time.Second)), "AlreadyExists")
	holds(t, held("a"), first, second)
}

func everythingIsKept(t testing.TB, b Backend) {
	l, other := b.Open(t, "a"), b.Open(t, "b")
	r := held("a")
	r.LeaseDurationSeconds = math.MaxInt32
	create(t, l, r)
	holds(t, r, l, other)
	// The fencing token: see electorTakesTurns.
	r.LeaderTransitions = math.MaxInt32
	r.AcquireTime = metav1.NewTime(instant.Add(time.Hour))
	r.RenewTime = metav1.NewTime(instant.Add(24 * time.Hour))
	update(t, l, r)
	holds(t, r, l, other)
	// As who leaves writes it.
	r.HolderIdentity, r.LeaseDurationSeconds = "", 1
	update(t, l, r)
	holds(t, r, l, other)
}

func identities(t testing.TB, b Backend) {
	watching := b.Open(t, "watching")
	for i, identity := range []string{
		"host_0b2ad6c1-3bd5-4d4e-9b58-3b9ea0c3c6a5",
		" of spaces ",
		"line\nbreak\ttab\rreturn",
		`"quoted" 'twice' \ {"json":true} --; DROP TABLE locks; %s %00 ../../x?a=b&c#d`,
		"Größe 高さ 🔒 \u202e\u2028",
		strings.Repeat("long", 256), // 1 KiB
	} {
		l := b.Open(t, identity)
		if got := l.Identity(); got != identity {
			t.Errorf("the lock of %s has the identity %s", shown(identity), shown(got))
		}
		if i == 0 {
			create(t, l, held(identity))
		} else {
			get(t, l)
			update(t, l, held(identity))
		}
		holds(t, held(identity), l, watching)
	}
}

// recordIsTheCallers: who gives the record up changes what it got and writes it.
func recordIsTheCallers(t testing.TB, b Backend) {
	l := b.Open(t, "a")
	create(t, l, held("a"))
	r, raw := get(t, l)
	*r = resourcelock.LeaderElectionRecord{HolderIdentity: "changed"}
	holds(t, held("a"), l)
	if _, again := get(t, l); again != raw {
		t.Error("to change what Get returned changes what the next Get returns")
	}
}
