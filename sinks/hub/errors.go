package hub

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/reach"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// What the rules of the CRD say of a write that is older than what is there.
const (
	laterTermText = "records.fairlead.dev: the record is of a later term"
	newerText     = "records.fairlead.dev: the record is newer"
)

// refusal is an error that is about one change, and not about the hub.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// order is how a write compares with what is there.
type order int

const (
	unknown order = iota // the error is about something else
	newer                // what is there is of a later sequence
	later                // what is there is of a later term
)

var errUnreadable = errors.New("the hub cannot read the object: it holds JSON that Kubernetes does not, a number beyond all bounds for one")

// causes returns what an API server says is wrong with what it was sent, and whether it
// says that of the content.
func causes(err error) (all []metav1.StatusCause, invalid bool) {
	var spoken apierrors.APIStatus
	if !apistatus.ByKubernetes(err) || !errors.As(err, &spoken) {
		return nil, false
	}
	status := spoken.Status()
	if status.Details != nil {
		all = status.Details.Causes
	}
	return all, status.Reason == metav1.StatusReasonInvalid
}

// isUnreadable reports whether the hub could not decode the record that it was sent, or
// what a patch has made of the one that is there.
func isUnreadable(err error) bool {
	all, invalid := causes(err)
	if answer := apistatus.Of(err); answer.Meaning == apistatus.Rejected && answer.Code == http.StatusBadRequest {
		return !byAdmission(err.Error())
	}
	return invalid && len(all) > 0 && all[0].Field == "patch"
}

// orderOf tells what the rules of the CRD have said, if they were what refused.
func orderOf(err error) order {
	all, invalid := causes(err)
	if !invalid {
		return unknown
	}
	var found order
	for i := range all {
		switch message := all[i].Message; {
		case strings.HasSuffix(message, laterTermText):
			found = max(found, later)
		case strings.HasSuffix(message, newerText):
			found = max(found, newer)
		default:
			return unknown // something else is wrong with it too
		}
	}
	return found
}

// isCode reports whether err is an answer with a status code.
func isCode(err error, code int) bool { return apistatus.Of(err).Code == code }

// explain returns the error of a write as the pipeline is to take it: a refusal where it
// is about this change. What says "configuration" is about the hub, and passes once that
// is right.
func (s *Sink) explain(err error) error {
	answer := apistatus.Of(err)
	message := err.Error()
	switch {
	case answer.Meaning == apistatus.None:
		if advice := reach.Advice(err); advice != "" {
			return fmt.Errorf("%w; %s", err, advice)
		}
		return err
	case apistatus.IsTooLarge(err):
		return refusal{pipeline.Permanent(fmt.Errorf("its record is too large for the hub: %w", err))}
	case answer.Meaning == apistatus.Throttled:
		return pipeline.RetryAfter(fmt.Errorf("the hub has too many requests: %w; lower qps", err), answer.RetryAfter)
	case answer.Meaning == apistatus.Unauthorized:
		return fmt.Errorf("the hub does not accept the credentials: %w; renew them", err)
	case answer.Code == http.StatusNotFound:
		return s.explainMissing(err)
	case answer.Meaning == apistatus.Forbidden:
		return s.explainForbidden(err, message)
	case isUnreadable(err):
		// It is not wrapped: it may quote the record, and with it a Secret.
		return refusal{pipeline.Permanent(errUnreadable)}
	case answer.Meaning == apistatus.Rejected:
		return refusal{fmt.Errorf("the hub refuses the record: %w", err)}
	case strings.Contains(message, etcdIsFull):
		return fmt.Errorf("the etcd of the hub is full: %w; make room in it and disarm its alarm, or raise its --quota-backend-bytes", err)
	}
	return err
}

// etcdIsFull is what etcd says once it has as many bytes as it may have. An API server passes it
// on with 500.
const etcdIsFull = "database space exceeded"

func (s *Sink) explainMissing(err error) error {
	if strings.Contains(err.Error(), "namespaces ") {
		return fmt.Errorf("there is no namespace %s in the hub; make it: kubectl create namespace %s", s.o.Namespace, s.o.Namespace)
	}
	advice := "apply deploy/components/hub-records/crd.yaml, or give install=true"
	if s.o.Install {
		s.installed.Store(false)
		advice = "it is made again with the next write"
	}
	return fmt.Errorf("the hub has no records (%s): %w; %s", crdName, err, advice)
}

func (s *Sink) explainForbidden(err error, message string) error {
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return fmt.Errorf("namespace %s of the hub is being deleted: %w", s.o.Namespace, err)
	case strings.Contains(message, "exceeded quota"):
		return fmt.Errorf("a quota of namespace %s of the hub is used up: %w; raise it", s.o.Namespace, err)
	case byAdmission(message):
		return refusal{fmt.Errorf("the hub refuses the record: %w", err)}
	}
	return fmt.Errorf("the hub forbids it: %w; grant create, patch, list and delete of records.%s in namespace %s, as deploy/components/hub-records/role.yaml does", err, group, s.o.Namespace)
}

// byAdmission reports whether an admission plugin has said no to this one object, as its
// message tells: authorization says which verb is forbidden.
func byAdmission(message string) bool {
	return strings.Contains(message, "admission webhook") || strings.Contains(message, "ValidatingAdmissionPolicy") || strings.Contains(message, "denied request")
}
