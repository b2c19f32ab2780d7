//! The API over HTTP, as a tower service: paths and verbs to calls of the core, results and refusals to answers.

mod discovery;
mod duplicates;
mod negotiate;
mod openapi;
mod path;
mod query;

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::{
    path::{Place, Route},
    query::Query,
};
use crate::{
    core::{Core, Target, Written},
    delete::{DeleteOptions, Deleted},
    form::Form,
    status::{ApiError, ApiResult},
    watch::watch,
    write::PatchBody,
};

/// Body of an answer.
pub type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// The API server's own limit.
const MAX_BODY: usize = 3 << 20;
const ENDPOINTS_DEPRECATED: &str =
    "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\"";
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The Kubernetes API as a tower service. Cheap to clone; all clones share the objects.
#[derive(Clone, Debug)]
pub struct ApiService {
    core: Arc<Core>,
    /// Ends the watches of this service.
    stopped: CancellationToken,
}

impl ApiService {
    pub(crate) fn new(core: Arc<Core>, stopped: CancellationToken) -> Self {
        Self { core, stopped }
    }

    async fn answer<B>(self, request: Request<B>) -> Response<ResponseBody>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect());
        let body = match read.await {
            Err(_) => {
                return refuse(&ApiError::new(
                    408,
                    "Timeout",
                    "the body of the request did not arrive in time",
                ));
            }
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let message = format!("Request entity too large: limit is {MAX_BODY}");
                return refuse(&ApiError::new(413, "RequestEntityTooLarge", message));
            }
            Ok(Err(_)) => return refuse(&ApiError::bad_request("the body of the request could not be read")),
        };
        self.route(&parts, &body).unwrap_or_else(|error| refuse(&error))
    }

    fn route(&self, parts: &http::request::Parts, body: &Bytes) -> ApiResult<Response<ResponseBody>> {
        match Route::parse(parts.uri.path()) {
            Route::Plain(text) => Ok(plain(text)),
            Route::Unknown => Err(ApiError::unknown_resource()),
            Route::Version => Ok(json(StatusCode::OK, &discovery::version())),
            Route::Discovery(place) => {
                if parts.method != Method::GET {
                    return Err(ApiError::method_not_allowed());
                }
                let document = discovery::document(
                    &self.core.registry(),
                    &place,
                    negotiate::wants_aggregated(&parts.headers),
                )?;
                let mut response = json(StatusCode::OK, &document.body);
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, document.content_type);
                Ok(response)
            }
            Route::OpenApi(_) if parts.method != Method::GET => Err(ApiError::method_not_allowed()),
            Route::OpenApi(None) => Ok(json(StatusCode::OK, &openapi::index(&self.core.registry()))),
            Route::OpenApi(Some((group, version))) => {
                let document = openapi::document(&self.core.registry(), &group, &version)?;
                Ok(json(StatusCode::OK, &document))
            }
            Route::Resource(place) => {
                let mut answer = self.resource(parts, body, &place)?;
                if place.plural == "endpoints" && place.group.is_empty() {
                    answer
                        .headers_mut()
                        .append(header::WARNING, HeaderValue::from_static(ENDPOINTS_DEPRECATED));
                }
                Ok(answer)
            }
        }
    }

    fn resource(&self, parts: &http::request::Parts, body: &Bytes, place: &Place) -> ApiResult<Response<ResponseBody>> {
        let resource = self
            .core
            .registry()
            .resolve(&place.group, &place.version, &place.plural)?;
        if resource.namespaced && place.namespace.is_empty() && !place.name.is_empty()
            || !resource.namespaced && !place.namespace.is_empty()
        {
            return Err(ApiError::unknown_resource());
        }
        let target = Target {
            version: place.version.clone(),
            namespace: place.namespace.clone(),
            name: place.name.clone(),
            subresource: place.subresource.clone(),
            resource,
        };
        let known = target.subresource.is_empty() || (target.subresource == "status" && target.version().status);
        if !known && target.resource.custom {
            return Err(target.not_found());
        }
        if !known {
            return Err(ApiError::unknown_resource());
        }
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let form = negotiate::form(&parts.headers, query.row_object()?)?;
        let all = target.name.is_empty();
        match (&parts.method, all, target.subresource.is_empty()) {
            (&Method::GET, true, true) if query.is_watch() => self.watch(target, &query, form),
            (&Method::GET, true, true) => {
                let page = self.core.list(&target, &query.list_options(&target)?)?;
                Ok(bytes(StatusCode::OK, page.to_json(&self.core.clock, &target, form)))
            }
            (&Method::GET, false, true) if query.is_watch() => self.watch(target, &query, form),
            (&Method::GET, false, _) => {
                query.check_get(&self.core)?;
                let object = self.core.get(&target)?;
                Ok(bytes(StatusCode::OK, form.object(&self.core.clock, &target, &object)))
            }
            (&Method::POST, true, true) => {
                if target.resource.namespaced && target.namespace.is_empty() {
                    return Err(ApiError::method_not_allowed());
                }
                let object = negotiate::json_body(&parts.headers, body)?;
                let mut options = query.write_options(&parts.headers, "CreateOptions")?;
                options.duplicate_fields = duplicates::find_duplicates(body);
                let written = self.core.create(&target, object, &options)?;
                Ok(self.write_answer(&target, &written, form))
            }
            (&Method::PUT, false, _) => {
                let object = negotiate::json_body(&parts.headers, body)?;
                let mut options = query.write_options(&parts.headers, "UpdateOptions")?;
                options.duplicate_fields = duplicates::find_duplicates(body);
                let written = self.core.replace(&target, &object, &options)?;
                Ok(self.write_answer(&target, &written, form))
            }
            (&Method::PATCH, false, _) => {
                let patch = negotiate::patch_body(&parts.headers, body, &target.resource)?;
                let options = query.patch_options(&parts.headers, matches!(patch, PatchBody::Apply(_)))?;
                let written = self.core.patch(&target, &patch, &options)?;
                Ok(self.write_answer(&target, &written, form))
            }
            (&Method::DELETE, false, true) => match self.core.delete(&target, &delete_options(parts, body, &query)?)? {
                Deleted::Gone(status) => Ok(json(StatusCode::OK, &status)),
                Deleted::Waiting(object) => Ok(json(StatusCode::OK, &form.value(&self.core.clock, &target, &object))),
            },
            (&Method::DELETE, true, true) => {
                if target.resource.namespaced && target.namespace.is_empty() {
                    return Err(ApiError::method_not_allowed());
                }
                let page = self.core.list(&target, &query.list_options(&target)?)?;
                let options = delete_options(parts, body, &query)?;
                self.core.delete_all(&target.resource, &page.objects, &options)?;
                Ok(bytes(StatusCode::OK, page.to_json(&self.core.clock, &target, form)))
            }
            _ => Err(not_a_verb(&target, &parts.method)),
        }
    }

    fn watch(&self, mut target: Target, query: &Query, form: Form) -> ApiResult<Response<ResponseBody>> {
        let options = query.watch_options(&target, form)?;
        target.name.clear();
        let lines = watch(&self.core, target, options, self.stopped.clone())?;
        let body = StreamBody::new(lines.map(|lines| Ok::<_, Infallible>(Frame::data(lines))));
        Ok(respond(
            StatusCode::OK,
            HeaderValue::from_static("application/json"),
            UnsyncBoxBody::new(body),
        ))
    }

    fn write_answer(&self, target: &Target, written: &Written, form: Form) -> Response<ResponseBody> {
        let code = if written.created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let mut response = json(code, &form.value(&self.core.clock, target, &written.object));
        for warning in &written.warnings {
            // 299 is the code for warnings without one of their own (RFC 7234, section 5.5.7).
            if let Ok(value) = HeaderValue::from_str(&format!("299 - {warning:?}")) {
                response.headers_mut().append(header::WARNING, value);
            }
        }
        response
    }
}

impl<B> tower::Service<Request<B>> for ApiService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

fn delete_options(parts: &http::request::Parts, body: &Bytes, query: &Query) -> ApiResult<DeleteOptions> {
    let mut options = if body.is_empty() {
        DeleteOptions::default()
    } else {
        DeleteOptions::parse(&negotiate::json_body(&parts.headers, body)?)?
    };
    query.add_delete_options(&mut options)?;
    Ok(options)
}

/// The refusal of a verb that a place does not have; custom kinds name it.
fn not_a_verb(target: &Target, method: &Method) -> ApiError {
    let verb = match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => return ApiError::method_not_allowed(),
    };
    if target.resource.custom && target.name.is_empty() && matches!(*method, Method::PUT | Method::PATCH) {
        ApiError::bad_request("name must be provided")
    } else if target.resource.custom && !target.name.is_empty() {
        ApiError::method_not_supported(&target.resource, verb)
    } else {
        ApiError::method_not_allowed()
    }
}

fn refuse(error: &ApiError) -> Response<ResponseBody> {
    let code = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(code, &error.to_value())
}

/// A refusal as an answer, for layers in front of the service.
pub(crate) fn refusal(error: &ApiError) -> Response<ResponseBody> {
    refuse(error)
}

fn json(code: StatusCode, value: &Value) -> Response<ResponseBody> {
    bytes(code, Bytes::from(value.to_string()))
}

fn bytes(code: StatusCode, bytes: Bytes) -> Response<ResponseBody> {
    respond(
        code,
        HeaderValue::from_static("application/json"),
        UnsyncBoxBody::new(Full::new(bytes)),
    )
}

fn plain(text: &'static str) -> Response<ResponseBody> {
    respond(
        StatusCode::OK,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        UnsyncBoxBody::new(Full::new(Bytes::from_static(text.as_bytes()))),
    )
}

fn respond(code: StatusCode, content_type: HeaderValue, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}
