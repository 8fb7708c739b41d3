{{/*
What the pods of all our Deployments have in common. Each helper takes a dict:
  root      the chart's own `.`
  own       the values of this Deployment: .Values, .Values.images or .Values.lockServer
  selector  what tells its pods from all others
  replicas  how many there are
  name      of its objects; the operator's own has other helpers for that
*/}}

{{/* What a pod has and all its kind: its own, or that of all pods. Use: include "testnode-operator.podMetadata" $pod */}}
{{- define "testnode-operator.podMetadata" -}}
{{- $all := .root.Values -}}
{{- $labels := merge (dict) (.own.podLabels | default dict) ($all.podLabels | default dict) -}}
{{- $annotations := merge (dict) (.own.podAnnotations | default dict) ($all.podAnnotations | default dict) -}}
labels:
  {{- merge (deepCopy .selector) (include "testnode-operator.labels" (list .root $labels) | fromYaml) | toYaml | nindent 2 }}
{{- if or $all.extraCAs.pem $annotations }}
annotations:
  {{- with $all.extraCAs.pem }}
  # Certificates are read when a server is first spoken to: other ones need other pods.
  checksum/extra-cas: {{ sha256sum . | quote }}
  {{- end }}
  {{- with $annotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* How a pod runs, and where. */}}
{{- define "testnode-operator.podSpec" -}}
{{- $all := .root.Values -}}
{{- $selector := .selector -}}
# The token is a volume of our own, as hardened clusters ask for.
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $all.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.priorityClassName | default $all.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with include "testnode-operator.podSecurityContext" .root | fromYaml }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.nodeSelector | default $all.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations | default $all.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .own.affinity }}
affinity: {{- toYaml .own.affinity | nindent 2 }}
{{- else if gt (int .replicas) 1 }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- toYaml $selector | nindent 14 }}
{{- end }}
{{- with .own.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- $these := merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" $selector)) }}
  - {{- ternary . $these (hasKey . "labelSelector") | toYaml | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What each container has. All our processes answer /livez and /readyz on a port called admin. */}}
{{- define "testnode-operator.container" -}}
image: {{ include "testnode-operator.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy | quote }}
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- with .own.resources }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.securityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The ConfigMap with certificates to trust, if there is one. */}}
{{- define "testnode-operator.caConfigMap" -}}
{{- if .Values.extraCAs.pem -}}
{{ include "testnode-operator.suffixed" (list . "extra-cas") }}
{{- else -}}
{{ .Values.extraCAs.configMap }}
{{- end -}}
{{- end -}}

{{/* The environment behind the container's own: extraEnv, in which its own counts more than what is for all. */}}
{{- define "testnode-operator.env" -}}
{{- $env := list -}}
{{- if include "testnode-operator.caConfigMap" .root -}}
{{- /* Every file in these folders is trusted: the image's public ones, and ours. */ -}}
{{- $folders := "/etc/ssl/certs:/etc/testnode-operator/extra-cas" -}}
{{- $env = append $env (dict "name" "SSL_CERT_DIR" "value" $folders) -}}
{{- end -}}
{{- $own := .own.extraEnv | default list -}}
{{- $named := dict -}}
{{- range $own -}}{{- $_ := set $named .name true -}}{{- end -}}
{{- range .root.Values.extraEnv -}}
{{- if not (hasKey $named .name) -}}{{- $env = append $env . -}}{{- end -}}
{{- end -}}
{{- with concat $env $own -}}{{ toYaml . }}{{- end -}}
{{- end -}}

{{/* Where the container has the volumes below. */}}
{{- define "testnode-operator.mounts" -}}
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- if include "testnode-operator.caConfigMap" .root }}
- name: extra-cas
  mountPath: /etc/testnode-operator/extra-cas
  readOnly: true
{{- end }}
{{- with .own.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "testnode-operator.volumes" -}}
# What automountServiceAccountToken would mount: a token of limited life, the API server's CA, our namespace.
- name: token
  projected:
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
{{- with include "testnode-operator.caConfigMap" .root }}
- name: extra-cas
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- with .own.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Has Prometheus read the metrics of pods that no Service for metrics is in front of. Whether they lead is no answer to whether the
operator does, which is what `testnode_leader` is about in alerts and dashboard.
*/}}
{{- define "testnode-operator.podMonitor" -}}
{{- $monitor := .root.Values.metrics.serviceMonitor -}}
{{- if $monitor.enabled -}}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ .name | quote }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- merge (deepCopy .selector) (include "testnode-operator.labels" (list .root $monitor.labels) | fromYaml) | toYaml | nindent 4 }}
spec:
  selector:
    matchLabels: {{- toYaml .selector | nindent 6 }}
  podMetricsEndpoints:
    - port: admin
      path: /metrics
      interval: {{ $monitor.interval }}
      metricRelabelings:
        - {sourceLabels: [__name__], regex: testnode_leader, action: drop}
{{- end }}
{{- end -}}
