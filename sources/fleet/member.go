package fleet

import (
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/client-go/rest"
)

// Member is one cluster of the fleet as a provider describes it.
type Member struct {
	// Name is the cluster's name in the fleet, unique within it.
	Name string
	// REST says how to reach the cluster. Certificates and keys are in it as
	// data. It sets no limits and no timeout. Receivers copy it before they
	// change anything (rest.CopyConfig).
	//
	// A token file stays a file (BearerTokenFile): client-go reads it again
	// within a minute, so that the hourly rotation of a service account token
	// interrupts no watch. Certificates become data because client-go would
	// otherwise start a goroutine per certificate that nothing ever stops; a
	// rotated one arrives here as a change.
	REST *rest.Config
	// Source is where the description was found, for messages:
	// "file fleet.yaml, context a".
	Source string
	// Labels are those of the object of the hub that describes the cluster, for
	// reconcilers that select clusters; nil for clusters in files. They are no
	// part of Fingerprint. Receivers do not change them.
	Labels map[string]string
	// Limits are what the description asks for this cluster. They are no part of
	// Fingerprint.
	Limits Limits
	// Fingerprint is equal for descriptions that lead to the same connection
	// with the same credentials. It is derived from secrets: compare it, do not
	// show it.
	Fingerprint string
}

// Handler is told which clusters exist. Its methods are called from one
// goroutine at a time and must return promptly: while one runs, no other
// cluster can join, change or leave.
type Handler interface {
	// Set adds the member or, when a member of that name is known already,
	// replaces its description. If Fingerprint is the same as before, only
	// limits or labels changed, and the connection should be left alone.
	Set(m Member)
	// Remove is called once for a name that was Set and is gone.
	Remove(name string)
}

// Problem is something that keeps a description from being used. It is an
// error, so that it can be logged and joined with others.
type Problem struct {
	Source  string // "file fleet.yaml", "directory /etc/fairlead/fleet"
	Context string // the kubeconfig's context, if one is concerned
	Cluster string // the name in the fleet, if one is concerned
	Err     error
	Since   time.Time // when a poll first saw it
}

// Error returns source, context and reason.
func (p Problem) Error() string { return fmt.Sprintf("%s: %v", at(p.Source, p.Context), p.Err) }

// Unwrap returns the reason.
func (p Problem) Unwrap() error { return p.Err }

// at names a place in a kubeconfig.
func at(source, context string) string {
	if context == "" {
		return source
	}
	return source + ", context " + context
}

// maxNameBytes is generous: a DNS name's length, as for most names in
// Kubernetes. EKS names contexts by ARN, about 100 bytes.
const maxNameBytes = 253

// checkName says whether a cluster may be called so. Contexts are named by
// tools and people ("kubernetes-admin@kubernetes", "gke_project_zone_name",
// "arn:aws:eks:region:account:cluster/name"), so every visible character is
// allowed, also the slash. Refused is what cannot be told apart or breaks the
// line in logs, tables, flags and URLs: white space, control and other
// invisible characters, invalid UTF-8.
func checkName(name string) error {
	const how = "; rename it, for example with kubectl config rename-context"
	switch {
	case name == "":
		return errors.New("the cluster's name is empty" + how)
	case len(name) > maxNameBytes:
		return fmt.Errorf("the cluster's name has %d bytes, at most %d are allowed%s", len(name), maxNameBytes, how)
	case !utf8.ValidString(name):
		return fmt.Errorf("the cluster's name %q is not valid UTF-8%s", name, how)
	}
	for _, r := range name {
		if r == ' ' || !unicode.IsPrint(r) {
			return fmt.Errorf("the cluster's name %q contains %q, but white space and invisible characters are not allowed%s", name, r, how)
		}
	}
	return nil
}
