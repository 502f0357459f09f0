package stream

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

// Spec says what to watch in every cluster. Its zero value is not valid.
type Spec struct {
	Resource  string // plural, singular or short name, lower case; "*": all, see Wildcard
	Group     string // API group; empty: the core group, or else the one group that has the resource
	Version   string // empty: the version that the cluster prefers
	Namespace string // empty: all namespaces
	Labels    string // label selector
	Fields    string // field selector
	Metadata  bool   // ask for the metadata of objects only
	// The rules for what is selected of that, as texts of package selection without a
	// resource; each may be empty.
	Where, Changed, Unchanged, Drop, Redact, Only, Preset string
}

// ruleParams are the parameters of the rules.
func (s *Spec) ruleParams() [7]struct {
	name string
	text *string
} {
	return [...]struct {
		name string
		text *string
	}{
		{"where", &s.Where}, {"changed", &s.Changed}, {"unchanged", &s.Unchanged},
		{"drop", &s.Drop}, {"redact", &s.Redact}, {"only", &s.Only}, {"preset", &s.Preset},
	}
}

// Rules returns the spec's rules.
func (s Spec) Rules() selection.Texts {
	one := func(text string) []string {
		if text == "" {
			return nil
		}
		return []string{"*: " + text}
	}
	return selection.Texts{
		Where: one(s.Where), Changed: one(s.Changed), Unchanged: one(s.Unchanged),
		Drop: one(s.Drop), Redact: one(s.Redact), Only: one(s.Only), Preset: one(s.Preset),
	}
}

// OnlyRules returns a spec that has the rules of this one, and nothing else.
func (s Spec) OnlyRules() (only Spec) {
	for i, p := range s.ruleParams() {
		*only.ruleParams()[i].text = *p.text
	}
	return only
}

// checkRules reports what is wrong with the texts of the rules. Their keys are not known yet.
func (s *Spec) checkRules() error {
	_, err := selection.Parse(s.Rules(), selection.ParseOptions{RedactKey: make([]byte, selection.MinRedactKey)})
	return err
}

// ParseSpec parses
//
//	resource[.group][/version][?parameter=value[&parameter=value...]]
//
// or a wildcard, which has no version,
//
//	*[.group][?parameter=value[&parameter=value...]]
//
// with the parameters namespace, labelSelector, fieldSelector and
// mode=metadata. Values are percent-decoded as in any URL query; of the
// characters that selectors are made of, only & must be encoded (%26). Errors
// say what to write instead.
func ParseSpec(s string) (Spec, error) {
	spec, err := parseSpec(s)
	if err != nil {
		return Spec{}, fmt.Errorf("watch %q: %w", s, err)
	}
	return spec, nil
}

func parseSpec(s string) (spec Spec, err error) {
	path, query, hasQuery := strings.Cut(strings.TrimSpace(s), "?")
	resource, version, hasVersion := strings.Cut(path, "/")
	resource, group, hasGroup := strings.Cut(strings.ToLower(resource), ".")
	spec = Spec{Resource: resource, Group: group, Version: version}

	var errs []error
	switch {
	case resource == "":
		errs = append(errs, errors.New("names no resource; write resource[.group][/version], such as pods or deployments.apps/v1"))
	case spec.Wildcard():
		// It stands for resources of many names.
	case len(validation.IsDNS1123Label(resource)) > 0:
		errs = append(errs, fmt.Errorf("%q is not a resource name; write it as kubectl does, such as pods or deployments.apps", resource))
	}
	switch {
	case hasGroup && (group == "" || group == "core") && spec.Wildcard():
		errs = append(errs, errors.New("no wildcard stands for the core group alone; write \"*\" for the resources of all groups, or name those that you want"))
	case hasGroup && group == "":
		errs = append(errs, fmt.Errorf("nothing follows the dot; resources of the core group have none: write %q", resource))
	case hasGroup && group == "core":
		errs = append(errs, fmt.Errorf("the core group is written without a name: write %q", resource))
	case hasGroup && len(validation.IsDNS1123Subdomain(group)) > 0:
		errs = append(errs, fmt.Errorf("%q is not an API group; write it as in apiVersion, such as apps or cert-manager.io", group))
	}
	if hasVersion && len(validation.IsDNS1035Label(version)) > 0 {
		errs = append(errs, fmt.Errorf("%q is not an API version; write it as in apiVersion, such as v1 or v1beta1, or leave out the slash", version))
	}
	if hasQuery {
		errs = append(errs, spec.parseQuery(query)...)
	}
	if spec.Wildcard() {
		errs = append(errs, spec.checkWildcard(hasVersion)...)
	}
	return spec, errors.Join(errs...)
}

func (s *Spec) parseQuery(query string) (errs []error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return []error{fmt.Errorf("what follows the question mark: %w", err)}
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // errors in a stable order
	defer func() {
		if err := s.checkRules(); err != nil {
			errs = append(errs, err)
		}
	}()
	for _, name := range names {
		if len(values[name]) > 1 {
			errs = append(errs, fmt.Errorf("%s is given %d times; give it once", name, len(values[name])))
			continue
		}
		value := strings.TrimSpace(values[name][0])
		if value == "" && slices.Contains([]string{"namespace", "labelSelector", "fieldSelector", "mode"}, name) {
			errs = append(errs, fmt.Errorf("%s has no value; give it one or leave it out", name))
			continue
		}
		if err := s.set(name, value); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (s *Spec) set(name, value string) error {
	// Reason for most of these errors: the comma behind a query does not start
	// another resource.
	const hint = "; what follows the question mark reaches to the end of the value, so give further resources before it or in another one"
	switch name {
	case "namespace":
		if problems := validation.IsDNS1123Label(value); len(problems) > 0 {
			return fmt.Errorf("namespace=%q: %s%s", value, problems[0], hint)
		}
		s.Namespace = value
	case "labelSelector":
		selector, err := labels.Parse(value)
		if err != nil {
			return fmt.Errorf("labelSelector=%q: %w%s", value, err, hint)
		}
		s.Labels = selector.String()
	case "fieldSelector":
		selector, err := fields.ParseSelector(value)
		if err != nil {
			return fmt.Errorf("fieldSelector=%q: %w%s", value, err, hint)
		}
		s.Fields = selector.String()
	case "mode":
		if value != "metadata" {
			return fmt.Errorf("mode=%q: the only mode is metadata%s", value, hint)
		}
		s.Metadata = true
	default:
		for _, p := range s.ruleParams() {
			if p.name == name {
				*p.text = value
				return nil
			}
		}
		return fmt.Errorf("unknown parameter %q; there are namespace, labelSelector, fieldSelector, mode, where, changed, unchanged, drop, redact, only and preset", name)
	}
	return nil
}

// String returns the spec in its canonical form, which ParseSpec understands, without its
// rules. It names the stream in metrics, logs and the status, where the texts of rules would
// be in each line; no two streams differ in rules alone.
func (s Spec) String() string {
	name := s.Resource
	if s.Group != "" {
		name += "." + s.Group
	}
	if s.Version != "" {
		name += "/" + s.Version
	}
	mode := ""
	if s.Metadata {
		mode = "metadata"
	}
	separator := "?"
	params := [][2]string{{"namespace", s.Namespace}, {"labelSelector", s.Labels}, {"fieldSelector", s.Fields}, {"mode", mode}}
	for _, p := range params {
		if p[1] == "" {
			continue
		}
		// Only what would end the value or be decoded is encoded: the rest is
		// easier to read as it was written.
		name += separator + p[0] + "=" + strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", ";", "%3B").Replace(p[1])
		separator = "&"
	}
	return name
}

// ParseSpecs parses the values of a flag that may be repeated. Each value is
// one spec or several, separated by commas. A question mark ends that: what
// follows it, commas included, is the query of the spec before it up to the
// end of the value. So
//
//	pods,deployments.apps?labelSelector=app=a,tier=b
//
// is pods, and deployments with both labels. Two specs that would follow the
// same object are refused: same resource and group as they are written, and
// the same namespace or one of them all namespaces, whatever their selectors.
// All errors are reported at once.
func ParseSpecs(values []string) ([]Spec, error) {
	var specs []Spec
	var errs []error
	for _, value := range values {
		for _, part := range splitSpecs(value) {
			spec, err := ParseSpec(part)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			for _, other := range specs {
				if spec.overlaps(other) {
					errs = append(errs, fmt.Errorf("watch %q and watch %q follow the same objects; leave one of them out", other, spec))
					break // one is enough: of many there would be their square
				}
			}
			specs = append(specs, spec)
		}
	}
	if len(specs) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no resource to watch; name at least one, such as configmaps or deployments.apps"))
	}
	return specs, errors.Join(errs...)
}

func splitSpecs(value string) []string {
	path, query, hasQuery := strings.Cut(value, "?")
	parts := strings.Split(path, ",")
	if hasQuery {
		parts[len(parts)-1] += "?" + query
	}
	return parts
}

func (s Spec) overlaps(other Spec) bool {
	return s.Resource == other.Resource && s.Group == other.Group && s.overlapsIn(other.Namespace)
}

// overlapsIn reports whether the spec selects in a namespace; empty: in any.
func (s Spec) overlapsIn(namespace string) bool {
	return s.Namespace == namespace || s.Namespace == "" || namespace == ""
}
