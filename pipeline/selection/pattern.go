package selection

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

// pattern says for which resources a rule is: for any of its parts.
type pattern []patternPart

type patternPart struct {
	resource string // plural, or *
	group    string // empty: the core group
	all      bool   // * without a group: of all groups
}

// matches reports whether the rule is for the resource.
func (p pattern) matches(r Resource) bool {
	return slices.ContainsFunc(p, func(part patternPart) bool {
		gvr := r.GroupVersionResource
		return part.all || (part.resource == "*" || part.resource == gvr.Resource) && part.group == gvr.Group
	})
}

var everyResource = pattern{{all: true}}

// splitRule takes a rule apart: RESOURCE: TEXT. A rule without a resource is for all.
func splitRule(rule string) (p pattern, named bool, text string, err error) {
	head, rest, found := strings.Cut(rule, ":")
	// A colon within brackets, quotes or a call is the text's own.
	if !found || strings.ContainsAny(head, `[]'"(){}?=`) {
		return everyResource, false, strings.TrimSpace(rule), nil
	}
	p, err = parsePattern(head)
	return p, true, strings.TrimSpace(rest), err
}

func parsePattern(text string) (p pattern, err error) {
	var errs []error
	for part := range strings.SplitSeq(text, ",") {
		parsed, err := parsePatternPart(strings.TrimSpace(part))
		p = append(p, parsed)
		errs = append(errs, err)
	}
	return p, errors.Join(errs...)
}

func parsePatternPart(text string) (patternPart, error) {
	resource, group, hasGroup := strings.Cut(text, ".")
	part := patternPart{resource: resource, group: group, all: resource == "*" && !hasGroup}
	switch {
	case part.all:
		return part, nil
	case resource == "":
		return part, errors.New("names no resource before the colon; write RESOURCE[.GROUP], such as pods or deployments.apps, or * for all")
	case resource != "*" && len(validation.IsDNS1123Label(resource)) > 0:
		return part, fmt.Errorf("%.100q is not a resource; write its plural as kubectl api-resources does, such as pods or deployments.apps, or * for all", text)
	case hasGroup && len(validation.IsDNS1123Subdomain(group)) > 0:
		return part, fmt.Errorf("%.100q is not an API group; write it as in apiVersion, such as apps, and nothing for the core group", group)
	case !hasGroup && !slices.Contains(coreResources, resource):
		return part, notInCore(resource)
	}
	return part, nil
}

// notInCore says where a resource may be that is not in the core group. The core group
// is complete, so that such a rule would never hold.
func notInCore(resource string) error {
	for _, name := range groupedResources {
		if plural, _, _ := strings.Cut(name, "."); plural == resource {
			return fmt.Errorf("%q is not in the core group; write %s", resource, name)
		}
	}
	var hint string
	if near := spec.Nearest(resource, slices.Concat(coreResources, groupedResources)); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("the core group has no resource %q; write plural and group, such as deployments.apps%s", resource, hint)
}

// coreResources are all resources of the core group that have objects.
var coreResources = []string{
	"componentstatuses", "configmaps", "endpoints", "events", "limitranges", "namespaces", "nodes", "persistentvolumeclaims",
	"persistentvolumes", "pods", "podtemplates", "replicationcontrollers", "resourcequotas", "secrets", "serviceaccounts", "services",
}

// groupedResources are resources that people know by their plural alone.
var groupedResources = []string{
	"controllerrevisions.apps", "daemonsets.apps", "deployments.apps", "replicasets.apps", "statefulsets.apps",
	"horizontalpodautoscalers.autoscaling", "cronjobs.batch", "jobs.batch", "leases.coordination.k8s.io",
	"endpointslices.discovery.k8s.io", "ingressclasses.networking.k8s.io", "ingresses.networking.k8s.io",
	"networkpolicies.networking.k8s.io", "poddisruptionbudgets.policy", "clusterrolebindings.rbac.authorization.k8s.io",
	"clusterroles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io", "roles.rbac.authorization.k8s.io",
	"priorityclasses.scheduling.k8s.io", "csidrivers.storage.k8s.io", "csinodes.storage.k8s.io", "storageclasses.storage.k8s.io",
	"volumeattachments.storage.k8s.io", "customresourcedefinitions.apiextensions.k8s.io",
	"mutatingwebhookconfigurations.admissionregistration.k8s.io", "validatingwebhookconfigurations.admissionregistration.k8s.io",
	"certificatesigningrequests.certificates.k8s.io",
}
