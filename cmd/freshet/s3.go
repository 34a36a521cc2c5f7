package main

import (
	"time"

	"github.com/freshet/freshet/cdc/s3"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

type s3Config struct {
	Bucket    string        `yaml:"bucket" required:"true" doc:"The bucket."`
	Prefix    string        `yaml:"prefix" doc:"Objects whose keys begin so are rows; all where absent."`
	Endpoint  string        `yaml:"endpoint" doc:"Address of a server that is not AWS, such as http://localhost:9000; its buckets are addressed by path."`
	Region    string        `yaml:"region" doc:"Region of the bucket; that of the environment where absent."`
	Notify    *notifyConfig `yaml:"notify" doc:"Who tells of changes: one of the keys below. Listings find what nobody tells."`
	Reconcile time.Duration `yaml:"reconcile" default:"1h" min:"1s" doc:"List the whole bucket this often, and mend what notifications have missed."`
	MaxSize   int64         `yaml:"max_size" unit:"bytes" default:"64MiB" min:"1" doc:"A larger object is a dead letter, and is not fetched."`
	MaxDelete float64       `yaml:"max_delete" default:"0.5" min:"0" max:"1" doc:"Share of the known objects, of 100 or more, that a listing may find gone; beyond it nothing is deleted and the flow stops."`
}

type notifyConfig struct {
	SQS     string         `yaml:"sqs" doc:"URL of a queue of SQS that gets the bucket's notifications, by SNS or EventBridge or straight."`
	Webhook *webhookConfig `yaml:"webhook" doc:"Address to listen at for notifications that are posted, host:port, or a mapping."`
	Kafka   *topicConfig   `yaml:"kafka" doc:"A topic that gets the bucket's notifications."`
	Poll    time.Duration  `yaml:"poll" min:"1s" doc:"Nobody tells: list the bucket this often."`
}

type webhookConfig struct {
	Addr  string `yaml:"addr,scalar" required:"true" doc:"host:port to listen at."`
	Token string `yaml:"token" secret:"true" doc:"What a request has to show as a bearer token; needed where others than this machine reach the address."`
}

type topicConfig struct {
	brokersConfig `yaml:",inline"`
	Topic         string `yaml:"topic" required:"true" doc:"The topic."`
}

func newS3(config any, env *flowfile.Env) (stream.Source, error) {
	c := config.(*s3Config)
	o := s3.Options{Bucket: c.Bucket, Prefix: c.Prefix, Endpoint: c.Endpoint, Region: c.Region,
		Reconcile: c.Reconcile, MaxSize: c.MaxSize, MaxDelete: c.MaxDelete, Logger: env.Logger}
	if n := c.Notify; n != nil {
		o.Notify.SQS, o.Notify.Poll = n.SQS, n.Poll
		if n.Webhook != nil {
			o.Notify.Webhook = s3.Webhook{Addr: n.Webhook.Addr, Token: n.Webhook.Token}
		}
		if n.Kafka != nil {
			o.Notify.Kafka = &s3.Topic{Access: n.Kafka.access(env), Topic: n.Kafka.Topic}
		}
	}
	s, err := s3.New(o)
	if err != nil {
		return nil, problemsOf(err)
	}
	return s, nil
}
