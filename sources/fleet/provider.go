package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// Provider is a place that describes clusters. Parse makes those of the known kinds;
// others are implemented outside of this package and pass the suite in fleettest.
type Provider interface {
	// String returns the provider as it is written on the command line. It names the
	// provider in messages and holds no credentials.
	String() string
	// NewScanner returns a scanner that has seen nothing yet. It connects to nothing.
	NewScanner() Scanner
}

// Scanner reads what a provider describes. It remembers what it read before. One
// goroutine at a time calls Scan.
type Scanner interface {
	// Scan returns everything that is described now, in an order that stays the same.
	// It may read files and must not wait for a network: all providers are read one
	// after the other. A cluster of which no description is returned leaves the
	// fleet. So while a provider cannot be read, Scan returns what it returned last,
	// and a Description with Err alone.
	Scan() []Description
}

// Follower is a Scanner that learns of changes by itself, so that they take effect
// at once instead of at the next poll.
type Follower interface {
	Scanner
	// Follow watches the provider until ctx ends, then joins what it started and
	// returns nil. It calls changed after each change that Scan would return; changed
	// does not block. Scan may be called meanwhile. An error ends the Fleet, so what
	// may pass, such as a server that does not answer, is not returned but described.
	Follow(ctx context.Context, env Env, changed func()) error
}

// Completer is a Follower that can tell whether it has read all that there is, once at
// least, since Follow began. Of a Follower that is none, Fleet.Known never counts on it.
type Completer interface {
	Follower
	// Complete may be called by any goroutine.
	Complete() bool
}

// HubReader is a Provider that needs the hub.
type HubReader interface {
	Provider
	// NeedsHub does nothing.
	NeedsHub()
}

// Env is what a Follower gets of the fleet that runs it.
type Env struct {
	// Hub says how to reach the hub. It is nil unless the provider is a HubReader.
	// Receivers copy it before they change anything.
	Hub *rest.Config
	// Log takes what a provider has to tell beside its descriptions.
	Log logr.Logger
}

// Description is what a Scanner says of one cluster or, if Name is empty, of a whole
// source. Both Member and Err are set where the last good description is kept because
// the present one cannot be used.
type Description struct {
	// Source is where the description is, for messages: "file fleet.yaml". A source
	// describes a name once.
	Source string
	// Context is the kubeconfig's context, if one is meant.
	Context string
	// Name is the cluster's name.
	Name string

	// Member is the cluster. Its Name is that of the description; REST and Fingerprint
	// are set. See NewMember.
	Member *Member
	// Err is why the description cannot be used. It quotes no credentials. Its text
	// stays the same for as long as the reason does, so that a problem that lasts is
	// one problem.
	Err error
	// Absent: without what Err says there is no such cluster, rather than one that is
	// described badly.
	Absent bool
	// Chosen: whoever wrote the description chose the name; it is not the object's
	// own. Of several that come at once, a name of one's own goes first.
	Chosen bool

	// Object is the object of the hub that holds the description; nil if none does. It
	// gets an Event about Err, and its name is kept for it for Options.NameHold.
	Object *corev1.ObjectReference
	// Event is the reason of the Event. Empty: ClusterUnusable.
	Event string
}

// NeedsHub reports whether one of the providers reads the hub, so that Options.Hub
// has to be set.
func NeedsHub(providers []Provider) bool {
	return slices.ContainsFunc(providers, func(p Provider) bool { _, ok := p.(HubReader); return ok })
}

// NewMember returns the cluster that a kubeconfig describes by its current or only
// context. The kubeconfig may be anybody's: one that holds a command, the path of a
// file, an unverified or an unencrypted connection is refused. Name is the cluster's
// name, and source is where the kubeconfig was found. The errors quote no content.
func NewMember(name, source string, kubeconfig []byte) (*Member, error) {
	if len(kubeconfig) > maxFileBytes {
		return nil, errTooLarge
	}
	cfg, err := loadKubeconfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	c := chooseOnly(name)(cfg)[0]
	if c.err != nil {
		return nil, c.err
	}
	if err := validateUntrusted(cfg); err != nil {
		return nil, err
	}
	return describe(cfg, nil, Description{Source: source, Context: c.context, Name: name})
}

// sound reports what is wrong with a member, whoever has described it.
func (d *Description) sound() error {
	if err := checkName(d.Name); err != nil {
		return err
	}
	switch m := d.Member; {
	case m.Name != d.Name:
		return fmt.Errorf("the provider describes cluster %q under the name %q", clip(m.Name), d.Name)
	case m.REST == nil || m.Fingerprint == "":
		return errors.New("the provider does not say how to reach the cluster, or gives no fingerprint")
	}
	return nil
}
