package kafka

import "github.com/fairlead-dev/fairlead/pipeline"

func KeyOf(k pipeline.Key) string { return string(appendKey(nil, k)) }

func TopicOf(text string, k pipeline.Key) string {
	t, err := parseTemplate(text)
	if err != nil {
		panic(err)
	}
	return t.topic(k)
}

func MayName(text, topic string) bool {
	t, err := parseTemplate(text)
	if err != nil {
		panic(err)
	}
	return t.matcher()(topic)
}
