//! A source that is compressed, breaks off, changes or lies.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use ring::digest::digest;

use super::*;
use crate::image::allowed::Allowed;
use crate::image::web::Hop;
use crate::openstack::ImageId;
use crate::openstack::fake::{self, Log, Reply};

/// 1000 times `a`, as `xz` packs it; and the same with a dictionary of 1 GiB.
const XZ: &str = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4APnAAtdADDv+7/+o7C5plYAAABs2eiL6u4QdgABJ+gHAAAA9FWPXLHEZ/sCAAAAAARZWg==";
const XZ_OF_A_GIB: &str = "/Td6WFoAAATm1rRGAgAhASQAAABeH8f54APnAAtdADDv+7/+o7C5plYAAABs2eiL6u4QdgABJ+gHAAAA9FWPXLHEZ/sCAAAAAARZWg==";

fn disk() -> Vec<u8> {
    let mut disk: Vec<u8> = (0..200_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    disk
}

fn wish(file: &[u8]) -> Wish {
    Wish {
        place: Place::Url("https://images.test/disk".parse().unwrap()),
        digest: format!("sha256:{}", HEXLOWER.encode(digest(&SHA256, file).as_ref())),
        format: Format::Raw,
        max_size_gib: 1,
    }
}

/// A server that sends a file in pieces, and breaks off after so many bytes each time; after the first time it has `then`.
fn server(file: Vec<u8>, breaks_after: usize, then: Vec<u8>) -> (Web, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let seen = asked.clone();
    let web = Web::service(Allowed::default(), move |hop: Hop| {
        let range = hop.headers.get(header::RANGE).map(|range| range.to_str().unwrap().to_owned());
        let mut seen = seen.lock().unwrap();
        let now = if seen.is_empty() { &file } else { &then };
        seen.push(range.clone().unwrap_or_default());
        let from: usize = range.map_or(0, |range| range["bytes=".len()..range.len() - 1].parse().unwrap());
        let same = hop.headers.get(header::IF_RANGE).is_none_or(|_| *now == file);
        let (status, from) =
            if from > 0 && same { (StatusCode::PARTIAL_CONTENT, from) } else { (StatusCode::OK, 0) };
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("\"one\""));
        headers.insert(header::CONTENT_LENGTH, (now.len() - from).into());
        if from > 0 {
            headers.insert(
                header::CONTENT_RANGE,
                format!("bytes {from}-{}/{}", now.len() - 1, now.len()).parse().unwrap(),
            );
        }
        let to = (from + breaks_after).min(now.len());
        let mut pieces: Vec<_> =
            now[from..to].chunks(7000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        if to < now.len() {
            pieces.push(Err("reset".to_owned()));
        }
        std::future::ready(Ok(Answer { status, headers, body: futures::stream::iter(pieces).boxed() }))
    });
    (web, asked)
}

async fn read(web: &Web, wish: &Wish) -> Result<(Vec<u8>, String), Trouble> {
    let mut reader = Reader::open(web, &Line::default(), wish).await?;
    let mut all = Vec::new();
    while let Some(piece) = reader.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok((all, reader.digest().await?))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[tokio::test]
async fn a_file_is_the_same_however_it_is_packed_and_its_digest_is_that_of_what_was_published() {
    for file in
        [disk(), gzip(&disk()), zstd(&disk()), [zstd(&disk()[..1000]), zstd(&disk()[1000..])].concat()]
    {
        let (web, _) = server(file.clone(), usize::MAX >> 1, Vec::new());

        let (bytes, digest) = read(&web, &wish(&file)).await.unwrap();

        assert!(bytes == disk());
        assert_eq!(digest, wish(&file).digest);
    }
}

#[tokio::test]
async fn xz_is_unpacked_and_one_that_wants_a_gib_of_memory_is_refused() {
    let said = async |file: &str| {
        let file = STANDARD.decode(file).unwrap();
        let (web, _) = server(file.clone(), usize::MAX >> 1, Vec::new());
        read(&web, &wish(&file)).await.unwrap_err().reason
    };
    assert_eq!(said(XZ).await, Reason::WrongFormat, "it was unpacked, and is no disk");
    assert_eq!(said(XZ_OF_A_GIB).await, Reason::DecompressionFailed);
}

#[tokio::test]
async fn what_is_packed_and_broken_is_told() {
    let mut file = gzip(&disk());
    let half = file.len() / 2;
    file[half] ^= 0xff;
    let (web, _) = server(file.clone(), usize::MAX >> 1, Vec::new());

    assert_eq!(read(&web, &wish(&file)).await.unwrap_err().reason, Reason::DecompressionFailed);
}

#[tokio::test]
async fn a_source_that_breaks_off_is_asked_for_the_rest() {
    let (web, asked) = server(disk(), 50_000, disk());

    let (bytes, digest) = read(&web, &wish(&disk())).await.unwrap();

    assert!(bytes == disk());
    assert_eq!(digest, wish(&disk()).digest);
    assert_eq!(*asked.lock().unwrap(), ["", "bytes=50000-", "bytes=100000-", "bytes=150000-"]);
}

#[tokio::test]
async fn a_source_that_has_another_file_when_it_goes_on_is_not_believed() {
    let (web, _) = server(disk(), 50_000, vec![7; 300_000]);

    assert_eq!(read(&web, &wish(&disk())).await.unwrap_err().reason, Reason::SourceUnreachable);
}

#[tokio::test]
async fn a_source_that_breaks_off_again_and_again_is_given_up() {
    let (web, asked) = server(disk(), 10_000, disk());

    assert_eq!(read(&web, &wish(&disk())).await.unwrap_err().reason, Reason::SourceUnreachable);
    assert_eq!(asked.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn a_packed_source_that_breaks_off_is_not_called_a_broken_file() {
    let file = gzip(&disk());
    let (web, _) = server(file.clone(), 20, file.clone());

    assert_eq!(read(&web, &wish(&file)).await.unwrap_err().reason, Reason::SourceUnreachable);
}

#[tokio::test]
async fn a_decoder_that_breaks_down_is_not_the_end_of_the_file() {
    let (web, _) = server(disk(), usize::MAX >> 1, Vec::new());
    let stream = Box::new(Stream::open(&web, &wish(&disk())).await.unwrap());
    let (out, unpacked) = channel(1);
    drop(out);
    let from = From::Packed(unpacked, tokio::spawn(async { Ok(stream) }));
    let mut reader = Reader { head: Head::default(), length: None, begun: Vec::new(), from, ended: false };

    assert_eq!(reader.next().await.unwrap_err().reason, Reason::DecompressionFailed);
}

#[tokio::test]
async fn a_source_that_breaks_off_now_and_then_is_read_to_its_end() {
    let file = [disk(), vec![0; 9 << 20]].concat();
    let (web, asked) = server(file.clone(), 1_200_000, file.clone());

    assert!(read(&web, &wish(&file)).await.unwrap().0 == file);
    assert_eq!(asked.lock().unwrap().len(), 9);
}

/// A Glance that has an image, and breaks off after so many bytes each time.
fn glance(file: Vec<u8>, breaks_after: usize) -> (Place, Log) {
    let (session, log) = fake::cloud(move |seen| {
        assert_eq!(seen.uri, "glance/v2/images/g1/file");
        let range = seen.headers.get(header::RANGE).map(|range| range.to_str().unwrap().to_owned());
        let from: usize =
            range.as_ref().map_or(0, |range| range["bytes=".len()..range.len() - 1].parse().unwrap());
        let rest = &file[from..];
        let answer = http::Response::builder().header("content-length", rest.len());
        let answer = if range.is_some() {
            let all = file.len();
            answer.status(206).header("content-range", format!("bytes {from}-{}/{all}", all - 1))
        } else {
            answer.status(200)
        };
        Reply::Full(answer.body(rest[..breaks_after.min(rest.len())].to_vec()).unwrap())
    });
    (Place::Image(InImage { cloud: "lab".into(), session, id: ImageId("g1".into()) }), log)
}

async fn read_image(place: Place) -> Result<(Vec<u8>, String), Trouble> {
    let (web, _) = server(Vec::new(), 0, Vec::new());
    read(&web, &Wish { place, ..wish(&disk()) }).await
}

#[tokio::test(start_paused = true)]
async fn an_image_that_breaks_off_is_asked_for_the_rest_five_times_at_most() {
    let (place, log) = glance(disk(), 50_000);
    let (bytes, digest) = read_image(place).await.unwrap();
    assert!(bytes == disk());
    assert_eq!(digest, wish(&disk()).digest);
    let ranges: Vec<String> = log
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|seen| seen.headers.get(header::RANGE).map_or("", |range| range.to_str().unwrap()).to_owned())
        .collect();
    assert_eq!(ranges, ["", "bytes=50000-", "bytes=100000-", "bytes=150000-"]);
    let seen = log.last();
    assert_eq!((seen.token.as_str(), seen.headers[header::ACCEPT].to_str().unwrap()), ("token-1", "*/*"));

    let (place, log) = glance(disk(), 10_000);
    assert_eq!(read_image(place).await.unwrap_err().reason, Reason::SourceUnreachable);
    assert_eq!(log.lines().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_a_glance_that_gives_no_data_means() {
    let said = async |status: u16, message: &'static str| {
        let (session, _) = fake::cloud(move |_| {
            Reply::Json(status, serde_json::json!({"code": "x", "message": message, "title": "x"}))
        });
        let place = Place::Image(InImage { cloud: "lab".into(), session, id: ImageId("g1".into()) });
        let trouble = read_image(place).await.unwrap_err();
        assert!(trouble.message.contains("image g1 of cloud lab"), "{}", trouble.message);
        trouble.reason
    };
    let deactivated = "The requested image has been deactivated. Image data download is forbidden.";

    assert_eq!(said(403, deactivated).await, Reason::SourceForbidden);
    assert_eq!(said(404, "No image found with ID g1").await, Reason::SourceNotFound);
    assert_eq!(said(204, "").await, Reason::SourceNotFound);
    assert_eq!(said(302, "").await, Reason::SourceUnreachable, "nobody is followed to another place");
    assert_eq!(said(503, "busy").await, Reason::SourceUnreachable);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_compressed_is_no_source() {
    let (place, _) = glance(gzip(&disk()), usize::MAX);

    assert_eq!(read_image(place).await.unwrap_err().reason, Reason::WrongFormat);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_replaced_once() {
    let (session, log) = fake::cloud(|seen| {
        if seen.token == "token-1" {
            return Reply::Json(401, serde_json::Value::Null);
        }
        Reply::Full(http::Response::new(disk()))
    });
    let place = Place::Image(InImage { cloud: "lab".into(), session, id: ImageId("g1".into()) });

    assert!(read_image(place).await.is_ok());
    assert_eq!((log.lines().len(), log.logins()), (2, 2));
}
