package kafka

import (
	"cmp"
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// outcome is what becomes of the records of a batch. A record is known by its index.
type outcome struct {
	sink     *Sink
	unusable map[string]error // by topic
	errs     map[int]error
	failed   map[string]error // by key: nothing of it follows
}

func isTooLarge(err error) bool { return errors.Is(err, kerr.MessageTooLarge) }

// send sends records at once, but those behind one of their key that has failed. Of
// those that the brokers find too large together it sends each half by itself, down to
// the single record: that may be small enough once it is compressed. What is behind a
// record of its key that goes again goes again too, or an older one would be the last.
func (o *outcome) send(ctx context.Context, some []int, again bool) {
	left := make([]int, 0, len(some))
	all := make([]*kgo.Record, 0, len(some))
	for _, i := range some {
		r := &o.sink.records.all[i]
		if before := cmp.Or(o.failed[string(r.Key)], ctx.Err()); before != nil {
			o.errs[i] = before
			continue
		}
		if again {
			r = &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers}
		}
		left, all = append(left, i), append(all, r)
	}
	if len(all) == 0 {
		return
	}
	errs := o.sink.produce(ctx, all)
	if len(errs) == 0 {
		return
	}
	tooLarge := map[string]int{} // by topic: bytes that were sent
	var halve []int
	goes := map[string]bool{} // by key: again
	for n, i := range left {
		key, err := string(all[n].Key), errs[all[n]]
		switch {
		case goes[key], isTooLarge(err) && len(all) > 1 && o.failed[key] == nil:
			goes[key] = true
			halve = append(halve, i)
			tooLarge[all[n].Topic] += sizeOf(all[n])
		case isTooLarge(err): // it has no place in the topic; what follows has
			o.errs[i] = err
		case err != nil:
			o.errs[i], o.failed[key] = err, err
		}
	}
	for topic, bytes := range tooLarge {
		o.sink.tooLarge(topic, bytes)
	}
	if len(halve) > 0 {
		half := len(halve) / 2
		o.send(ctx, halve[:half], true)
		o.send(ctx, halve[half:], true)
	}
}

// byChange returns the errors by change. Of two records of a change, an error that can
// be mended counts more than one that cannot.
func (o *outcome) byChange() map[int]error {
	failed := map[int]error{}
	known := map[explained]error{}
	for i := range o.sink.records.all {
		r := &o.sink.records.all[i]
		err := o.errs[i]
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
