package nats

import "github.com/fairlead-dev/fairlead/pipeline"

var Rounds = rounds

func SubjectOf(k pipeline.Key) string { return string(appendSubject(nil, k)) }
