package kafka

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// outcome is what becomes of the records of a batch.
type outcome struct {
	sink     *Sink
	unusable map[string]error // by topic
	errs     map[*kgo.Record]error
}

func isTooLarge(err error) bool { return errors.Is(err, kerr.MessageTooLarge) }

// resend sends alone each record that was in a batch that is too large, or is larger
// than a batch may be: compressed it may be small enough. Those behind it of its key go
// again too, or an older one would be the last.
func (o *outcome) resend(ctx context.Context) {
	var behind map[string]error // by key; nil: goes again
	for i := range o.sink.records.all {
		r := &o.sink.records.all[i]
		err := o.errs[r]
		before, follows := behind[string(r.Key)]
		switch {
		case follows && before != nil:
			o.errs[r] = before
			continue
		case !follows && !isTooLarge(err):
			continue
		}
		if behind == nil {
			behind = map[string]error{}
		}
		again := kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers}
		err = o.sink.produce(ctx, o.sink.alone, &again)[&again]
		if behind[string(r.Key)] = err; isTooLarge(err) {
			behind[string(r.Key)] = nil // it has no place in the topic; what follows has
		}
		if delete(o.errs, r); err != nil {
			o.errs[r] = err
		}
	}
}

// byChange returns the errors by change. Of two records of a change, an error that can
// be mended counts more than one that cannot.
func (o *outcome) byChange() map[int]error {
	failed := map[int]error{}
	known := map[explained]error{}
	for i := range o.sink.records.all {
		r := &o.sink.records.all[i]
		err := o.errs[r]
		if unusable := o.unusable[r.Topic]; unusable != nil {
			failed[o.sink.records.of[i]] = unusable
			continue
		}
		if err == nil {
			continue
		}
		o.sink.topics.forgetOne(r.Topic, err)
		id := explained{r.Topic, err.Error()}
		told := known[id]
		if told == nil {
			told = o.sink.explain(r.Topic, err)
			known[id] = told
		}
		if was := failed[o.sink.records.of[i]]; was == nil || pipeline.IsPermanent(was) {
			failed[o.sink.records.of[i]] = told
		}
	}
	return failed
}

// explained is an error that many records have in common.
type explained struct{ topic, text string }
