rule negatives:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
        mined=lambda wildcards: graph.mining(
            wildcards.dataset, wildcards.split, wildcards.negatives
        ).inputs(),
    output:
        training=R / "negatives/{dataset}.{split}/{negatives}/train.jsonl",
        audit=R / "negatives/{dataset}.{split}/{negatives}/audit.json",
        manifest=R / "negatives/{dataset}.{split}/{negatives}/manifest.json",
    log:
        R / "logs/negatives/{dataset}.{split}.{negatives}.log",
    benchmark:
        R / "benchmarks/negatives/{dataset}.{split}.{negatives}.tsv"
    conda:
        "../envs/negatives.yaml"
    threads: 1
    resources:
        mem_mb=grown(8000, of_dataset("mem_mb")),
        runtime=grown(120, of_dataset("runtime")),
    params:
        options=lambda wildcards: graph.mining(
            wildcards.dataset, wildcards.split, wildcards.negatives
        ).options(),
        code=graph.code("negatives", "negatives"),
    script:
        "../workflow_scripts/negatives.py"


# An encoder scores by the vectors of the encode stage, a cross-encoder each pair; what it takes is what encoding takes.
rule teacher_scores:
    input:
        unpack(
            lambda wildcards: graph.mining(
                wildcards.dataset, wildcards.split, wildcards.negatives
            ).teacher_inputs(wildcards.teacher, wildcards.variant)
        ),
    output:
        scores=R
        / "negatives/{dataset}.{split}/{negatives}/scores/{teacher}.{variant}/scores.jsonl",
        manifest=R
        / "negatives/{dataset}.{split}/{negatives}/scores/{teacher}.{variant}/manifest.json",
    log:
        R
        / "logs/negatives/{dataset}.{split}.{negatives}.scores.{teacher}.{variant}.log",
    benchmark:
        (
            R
            / "benchmarks/negatives/{dataset}.{split}.{negatives}.scores.{teacher}.{variant}.tsv"
        )
    conda:
        graph.environment("encode")
    threads: lambda wildcards: graph.model_run(wildcards.teacher).threads or 8
    resources:
        gpu=lambda wildcards: int(graph.registry.cross_encoder(wildcards.teacher)),
        mem_mb=grown(8000, lambda wildcards: graph.model_run(wildcards.teacher).mem_mb),
        runtime=lambda wildcards: graph.model_run(wildcards.teacher).runtime or 1440,
    params:
        inputs=lambda wildcards: named(
            graph.mining(
                wildcards.dataset, wildcards.split, wildcards.negatives
            ).teacher_inputs(wildcards.teacher, wildcards.variant)
        ),
        work=str(R / "work/negatives/{dataset}.{split}.{negatives}.{teacher}.{variant}"),
        code=graph.code("teacher_scores", "encode"),
    script:
        "../workflow_scripts/teacher_scores.py"
