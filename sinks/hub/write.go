package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/pipeline"
)

const (
	// tries is how often a record is written that others write or remove meanwhile.
	tries = 5
	// maxWritten bounds the answer to a write, in bytes: it holds a record's metadata.
	maxWritten = 1 << 20
)

// writeKey writes changes of one key, in order. What is refused for good does not hold up
// those that follow, which are newer; what is refused for now does. An error is about the
// hub.
func (s *Sink) writeKey(ctx context.Context, batch []*pipeline.Change, at []int) (refused map[int]error, err error) {
	for n, i := range at {
		c := batch[i]
		err := s.writeOne(ctx, c)
		reason, only := errors.AsType[refusal](err)
		switch {
		case err == nil:
			continue
		case !only:
			return nil, fmt.Errorf("write the record of %.300q to namespace %s of the hub: %w", c.Key.String(), s.o.Namespace, err)
		}
		if refused == nil {
			refused = map[int]error{}
		}
		refused[i] = reason.error
		if !pipeline.IsPermanent(reason.error) {
			for _, behind := range at[n+1:] {
				refused[behind] = reason.error
			}
			return refused, nil
		}
	}
	return refused, nil
}

// writeOne makes a record or replaces the one that is there, which the rules of the CRD
// allow if that is not newer. A deletion makes one too if there is none, or an older
// write that is still under way would.
func (s *Sink) writeOne(ctx context.Context, c *pipeline.Change) error {
	r, err := recordOf(c, s.o.Full, s.now())
	if err != nil {
		return refusal{pipeline.Permanent(err)}
	}
	create := c.Op == pipeline.Added
	for range tries {
		if create {
			err = s.create(ctx, r, nil)
		} else {
			err = s.replace(ctx, r, nil)
		}
		found := orderOf(err)
		switch {
		case err == nil:
			s.metrics.written.Inc()
			return nil
		case found == newer:
			s.metrics.older.Inc()
			return nil
		case found == later:
			return fmt.Errorf("%w: this process has term %d, and the record %s a higher one; if no other process delivers, delete the records of earlier times", pipeline.ErrOldTerm, c.Origin.Term, r.Metadata.Name)
		case isRefusal(err):
			return err
		case create && isCode(err, http.StatusConflict):
			create = false // it is there
		case !create && isCode(err, http.StatusNotFound):
			create = true // it is not there; if the resource or the namespace are not, that will tell
		case !isCode(err, http.StatusConflict):
			return s.explain(err)
		}
	}
	return refusal{fmt.Errorf("others write or remove the record all the time: %w", err)}
}

func isRefusal(err error) bool {
	_, is := errors.AsType[refusal](err)
	return is
}

// path returns where the records are, or one of them.
func (s *Sink) path(name string) string {
	path := "/apis/" + group + "/" + version + "/namespaces/" + s.o.Namespace + "/records"
	if name != "" {
		path += "/" + name
	}
	return path
}

// create makes a record, with parameters beside those that all writes have.
func (s *Sink) create(ctx context.Context, r *record, query url.Values) error {
	body, err := r.creation()
	if err != nil {
		return refusal{pipeline.Permanent(err)}
	}
	_, err = s.client.Do(ctx, apiclient.Call{
		Method: http.MethodPost, Path: s.path(""), Query: writing(query), ContentType: apiclient.TypeJSON, Body: body, Accept: apiclient.TypeMetadata,
	}, maxWritten)
	return err
}

// replace replaces spec and labels of a record.
func (s *Sink) replace(ctx context.Context, r *record, query url.Values) error {
	body, err := r.replacement()
	if err != nil {
		return refusal{pipeline.Permanent(err)}
	}
	_, err = s.client.Do(ctx, apiclient.Call{
		Method: http.MethodPatch, Path: s.path(r.Metadata.Name), Query: writing(query), ContentType: apiclient.TypeJSONPatch, Body: body, Accept: apiclient.TypeMetadata,
	}, maxWritten)
	return err
}

// writing returns the parameters of a write. Fields that the CRD does not know are
// ignored in silence: Check tells.
func writing(query url.Values) url.Values {
	all := url.Values{"fieldManager": {fieldManager}, "fieldValidation": {"Ignore"}}
	for name, values := range query {
		all[name] = values
	}
	return all
}
