package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

const (
	openAPIPath = "/openapi/v3/apis/" + group + "/" + version
	// maxOpenAPI bounds the description of records, in bytes.
	maxOpenAPI = 4 << 20
)

// probe is a change of an object that no cluster has.
var probe = &pipeline.Change{
	Key:    pipeline.Key{Cluster: "fairlead.dev/check", Resource: "checks.fairlead.dev", Name: "check"},
	Origin: &pipeline.Origin{Resource: schema.GroupVersionResource{Group: "fairlead.dev", Version: "v1", Resource: "checks"}, Kind: "Check"},
	Op:     pipeline.Added, UID: "check", ResourceVersion: "1", Object: []byte(`{"kind":"Check"}`), Sequence: 1,
}

// Check tries each kind of request that the sink makes, with dry runs where it would change
// something: so it stores nothing, but for the CRD if the sink is to install that. With
// Options.Trial that is a dry run as well, after which there are no records to try.
func (s *Sink) Check(ctx context.Context) error {
	if s.o.Trial && s.o.Install {
		if missing, err := s.tryInstall(ctx); missing || err != nil {
			return err
		}
	}
	if err := s.install(ctx); err != nil {
		return err
	}
	r, err := recordOf(probe, s.o.Full, s.now())
	if err != nil {
		return err
	}
	dry := url.Values{"dryRun": {"All"}, "fieldValidation": {"Strict"}}
	for _, step := range []struct {
		verb string
		try  func() error
		fine int // a code that says that it is allowed
	}{
		{"create", func() error { return s.create(ctx, r, dry) }, http.StatusConflict},
		{"patch", func() error { return s.replace(ctx, r, dry) }, http.StatusNotFound},
		{"list", func() error { return s.listNothing(ctx) }, 0},
		{"delete", func() error { return s.remove(ctx, &recordMeta{Name: r.Metadata.Name}, url.Values{"dryRun": {"All"}}) }, http.StatusNotFound},
	} {
		err := step.try()
		if err == nil || step.fine != 0 && isCode(err, step.fine) {
			continue
		}
		if answer := apistatus.Of(err); answer.Meaning == apistatus.Rejected {
			return fmt.Errorf("%s a record in namespace %s of the hub, as a dry run: %w; is its CRD older than this program? apply deploy/components/hub-records/crd.yaml", step.verb, s.o.Namespace, err)
		}
		err = s.explain(err)
		if refused, only := errors.AsType[refusal](err); only {
			err = refused.error
		}
		return fmt.Errorf("%s a record in namespace %s of the hub, as a dry run: %w", step.verb, s.o.Namespace, err)
	}
	return s.checkRules(ctx)
}

func (s *Sink) listNothing(ctx context.Context) error {
	_, err := s.client.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: s.path(""), Query: url.Values{"limit": {"1"}}}, maxPage)
	return err
}

// checkRules looks whether the hub holds records to the rules that keep their order: one
// that knows no such rules drops them from the CRD in silence. A hub that does not
// describe records, or not yet, tells nothing.
func (s *Sink) checkRules(ctx context.Context) error {
	text, err := s.client.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: openAPIPath}, maxOpenAPI)
	holds := func(part string) bool { return bytes.Contains(text, []byte(part)) }
	if err == nil && holds(`"sequence"`) && (!holds(laterTermText) || !holds(newerText)) {
		return sinks.Caution(errors.New("the hub does not hold records to their order: an older write could replace a newer one; apply deploy/components/hub-records/crd.yaml, to Kubernetes 1.29 or later"))
	}
	return nil
}
