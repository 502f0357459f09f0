package stream

import (
	"errors"
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// errNames is said of discovery that calls something as Kubernetes would not.
var errNames = errors.New("what discovery says is no resource of Kubernetes")

// kindName is what apiserver accepts as the kind of a custom resource, in
// capitals or not: a DNS label.
var kindName = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$`)

// checkNames refuses a resource whose names are not those of Kubernetes. All
// that a member's discovery says of a resource comes through here before
// anything is made of it: its names become attributes and ids of events, labels
// of metrics, paths of requests, and keys of the ledger.
func checkNames(gvr schema.GroupVersionResource, kind string) error {
	switch {
	case gvr.Group != "" && (len(gvr.Group) > validation.DNS1123SubdomainMaxLength || len(validation.IsDNS1123Subdomain(gvr.Group)) > 0):
		return badName("group", gvr.Group, "is not a DNS subdomain")
	case len(gvr.Version) > validation.DNS1035LabelMaxLength || len(validation.IsDNS1035Label(gvr.Version)) > 0:
		return badName("version", gvr.Version, "is not a DNS label")
	case len(gvr.Resource) > validation.DNS1123LabelMaxLength || len(validation.IsDNS1123Label(gvr.Resource)) > 0:
		return badName("resource", gvr.Resource, "is not a DNS label")
	case len(kind) > validation.DNS1123LabelMaxLength || !kindName.MatchString(kind):
		return badName("kind", kind, "is not made of letters, digits and hyphens, 63 at most")
	}
	return nil
}

// badName quotes what the member sent, as far as it needs to be recognised.
func badName(what, name, problem string) error {
	return fmt.Errorf("%w: the %s %.40q (%d bytes) %s", errNames, what, name, len(name), problem)
}
