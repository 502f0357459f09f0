package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// cut is an outage of some members of a fleet.
type cut struct {
	Members int           // of the fleet
	Down    int           // of these, cut off at the same moment
	For     time.Duration // how long
}

// outage is what a cut has led to.
type outage struct {
	Worst int           // members that dialed in the worst second
	Dials int           // dials in the worst second, of whatever kind
	Late  int           // members that were not back when the longest delay and a tenth had passed since the cut was over
	Last  time.Duration // from the end of the cut until the last one was back
}

// cutEnv holds the cut that TestCut is to be about, as JSON; outageEnv the path of the file that
// it writes the outage to.
const (
	cutEnv    = "FAIRLEAD_BENCH_CUT"
	outageEnv = "FAIRLEAD_BENCH_OUTAGE"
)

// TestCut cuts off members of a fleet, and looks when they are back. A benchmark that wants to
// know what a cut leads to runs it in a process of its own, as only tests have virtual time.
func TestCut(t *testing.T) {
	c, asked := cut{Members: 50, Down: 20, For: 20 * time.Second}, os.Getenv(cutEnv)
	if asked != "" {
		if err := json.Unmarshal([]byte(asked), &c); err != nil {
			t.Fatal(err)
		}
	}
	var o outage
	synctest.Test(t, func(t *testing.T) { o = cutOff(t, c) })
	if asked == "" {
		if o.Late > 0 || o.Last <= 0 || o.Last > 6*time.Second || o.Dials < 10 || o.Dials > 100 {
			t.Errorf("%+v leads to %+v", c, o)
		}
		return
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv(outageEnv), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// cutOff cuts members off, every second one so that dials are refused, and the others so that
// nothing answers. The connections are those of the program, with its defaults.
func cutOff(t *testing.T, c cut) (o outage) {
	network := newNetwork(t, c.Members)
	limiter := connection.NewReconnectLimiter(0)
	fleet := make([]*connection.Connection, c.Members)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for i := range fleet {
		name := fmt.Sprintf("member-%d.invalid", i)
		var err error
		if fleet[i], err = connection.New(connection.Options{Cluster: name, REST: network.hosts[i].config(name), ReconnectLimiter: limiter}); err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			if err := fleet[i].Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(2 * connection.DefaultReconnectMax) // that they fail now is no flapping
	down := fleet[:c.Down]
	sessions := make([]*member.Session, len(down))
	for i, connected := range down {
		if status := connected.Status(); status.State != member.Live {
			t.Fatalf("before the cut: %+v", status)
		}
		var err error
		if sessions[i], err = connected.Acquire(ctx); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	for i := range down {
		network.hosts[i].set(refuses + fault(i%2))
	}
	for i, connected := range down {
		connected.Report(sessions[i], io.EOF) // as the streams do whose watches end
	}
	time.Sleep(c.For)
	for i := range down {
		network.hosts[i].set(none)
	}
	time.Sleep(connection.DefaultReconnectMax * 11 / 10)
	synctest.Wait()
	for _, connected := range down {
		if status := connected.Status(); status.State == member.Live {
			o.Last = max(o.Last, status.Since.Sub(began.Add(c.For)))
		} else {
			o.Late++
		}
	}
	dialing, dials := map[time.Duration]int{}, map[time.Duration]int{} // in each second
	for i := range down {
		before := time.Duration(-1) // the second of its last dial
		for _, at := range network.hosts[i].dials() {
			second := at.Sub(began) / time.Second
			if at.Before(began) || at.After(began.Add(c.For+o.Last)) {
				continue
			}
			dials[second]++
			if second != before {
				dialing[second]++
			}
			before = second
		}
	}
	for second := range dials {
		o.Worst, o.Dials = max(o.Worst, dialing[second]), max(o.Dials, dials[second])
	}
	return o
}

// outageOf returns what a cut leads to.
func outageOf(b *testing.B, c cut) (o outage) {
	b.Helper()
	asked, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "outage.json")
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run", "^TestCut$")
	cmd.Env = append(os.Environ(), cutEnv+"="+string(asked), outageEnv+"="+path)
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("cut %+v: %v\n%s", c, err, said)
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		b.Fatal(err)
	}
	return o
}
