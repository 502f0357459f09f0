package findings

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

const (
	// leastFree is the room in bytes that a ledger's volume should have.
	leastFree = 64 << 20
	// longChange is how long a change of settings may take.
	longChange = 10 * time.Second
	// longHandover is how long it may take until another process delivers.
	longHandover = 10 * time.Second
	// longUnrest is for how long processes may take the lock from each other, as in a rolling
	// update each of which leads for a moment.
	longUnrest = time.Minute
)

// ledger tells of the ledger and its volume.
func (f *finder) ledger() {
	if l := f.Status.Ledger; !l.Healthy {
		f.add("FL1401", api.Finding{Source: l.Path, Since: l.Since}, because(fmt.Sprintf("The ledger %s cannot be written, for %s", l.Path, f.age(l.Since)), l.LastError))
	}
	v := f.Probes.Volume
	if v == nil {
		return
	}
	about := api.Finding{Source: v.Folder}
	if v.Locked {
		f.add("FL1406", about, "Another process has locked the ledger in "+v.Folder+".")
	}
	if v.Error != "" {
		f.add("FL1404", about, because("The folder "+v.Folder+" is of no use for a ledger", v.Error))
	}
	if v.Size > 0 && v.Free < leastFree {
		f.add("FL1405", about, fmt.Sprintf("%d of %d MiB are free on the volume of %s.", v.Free>>20, v.Size>>20, v.Folder))
	}
}

// election tells who leads, as far as that is not as it should be.
func (f *finder) election() {
	if l := f.Probes.Lock; l != nil && l.Error != "" {
		f.add("FL1503", api.Finding{Source: l.Identity}, because("The lock "+l.Identity+" cannot be read", l.Error))
	}
	e := f.Status.Election
	if e == nil {
		return
	}
	about := api.Finding{Source: e.Lock}
	passing := about // while one process hands over to another, as in a rolling update
	if !e.LeaderSince.IsZero() && !f.longer(e.LeaderSince, longHandover) && !f.longer(e.UnsettledSince, longUnrest) {
		passing.Severity = api.SeverityInfo
	}
	switch unrenewed := e.Unrenewed(f.Now); {
	case unrenewed != "":
		about := api.Finding{Source: e.Lock, Since: e.UnrenewedSince}
		f.add("FL1503", about, because("The lock "+e.Lock+" "+unrenewed, cmp.Or(e.LastError, "no answer yet")))
	case e.Lost != "" && e.LastError != "":
		f.add("FL1503", about, because("This process leads no more, and ends: "+e.Lost, e.LastError))
	case e.LastError != "":
		f.add("FL1503", about, because("The lock "+e.Lock+" cannot be read or renewed", e.LastError))
	}
	switch {
	case e.Role != "leader" && e.LastError == "" && e.Leader == "":
		f.add("FL1502", passing, "Nobody holds the lock "+e.Lock+".")
	case e.Role != "leader" && e.LastError == "":
		f.add("FL1501", about, "The process that was asked is a "+e.Following()+".")
	case e.Refused != "":
		f.add("FL1504", about, because("The ledger refuses this leader", e.Refused))
	case e.WaitsFor != "":
		f.add("FL1505", passing, "This leader waits for the one of before to let go of "+e.WaitsFor+".")
	}
}

// config tells of the configuration file.
func (f *finder) config() {
	c := f.Status.Config
	if c == nil {
		return
	}
	about := api.Finding{Source: c.File}
	if c.Error != "" {
		f.add("FL1601", about, because("The file "+c.File+" cannot be applied", c.Error))
	}
	if len(c.NeedsRestart) > 0 {
		f.add("FL1602", about, fmt.Sprintf("The file %s has other values for --%s, which need a restart.", c.File, strings.Join(c.NeedsRestart, ", --")))
	}
	if f.longer(c.ChangingSince, longChange) {
		about.Since = c.ChangingSince
		f.add("FL1603", about, fmt.Sprintf("The settings have been changing for %s, and nothing is delivered meanwhile.", f.age(c.ChangingSince)))
	}
}
