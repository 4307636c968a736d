rule pretrained:
    output:
        settings=R / "train/{model}/pretrained/model/config_sentence_transformers.json",
        manifest=R / "train/{model}/pretrained/manifest.json",
    log:
        R / "logs/train/{model}.pretrained.log",
    benchmark:
        R / "benchmarks/train/{model}.pretrained.tsv"
    conda:
        graph.environment("train")
    threads: 1
    resources:
        mem_mb=grown(8000, of_model("mem_mb")),
        runtime=grown(120, of_model("runtime")),
    params:
        options=lambda wildcards: graph.pretrained_options(wildcards.model),
        revisions=str(R / "work/revisions/{model}.json"),
        code=lambda wildcards: graph.model_code("pretrained", "train", wildcards.model),
    script:
        "../workflow_scripts/pretrained.py"


rule train:
    input:
        unpack(
            lambda wildcards: graph.training_inputs(
                wildcards.model, f"seed{wildcards.seed}"
            )
        ),
    output:
        settings=R / "train/{model}/seed{seed}/model/config_sentence_transformers.json",
        history=R / "train/{model}/seed{seed}/log.jsonl",
        curves=R / "train/{model}/seed{seed}/curves.tsv",
        picture=report(
            R / "train/{model}/seed{seed}/curves.svg",
            caption="captions/curves.rst",
            category="Training",
            subcategory="{model}",
            labels={"seed": "{seed}", "what": "curves"},
        ),
        preflight=R / "train/{model}/seed{seed}/preflight.json",
        manifest=R / "train/{model}/seed{seed}/manifest.json",
    log:
        R / "logs/train/{model}.seed{seed}.log",
    benchmark:
        R / "benchmarks/train/{model}.seed{seed}.tsv"
    conda:
        graph.environment("train")
    threads: lambda wildcards: graph.model_run(wildcards.model).threads or 8
    resources:
        gpu=lambda wildcards: graph.model_run(wildcards.model).gpus,
        processes=lambda wildcards: graph.model_run(wildcards.model).processes,
        nodes=lambda wildcards: graph.model_run(wildcards.model).nodes,
        # On several machines the job starts its processes itself: `mpi` makes SLURM's executor leave that to it.
        mpi=on_several_machines(lambda run: "srun"),
        tasks=on_several_machines(lambda run: run.nodes),
        tasks_per_gpu=on_several_machines(lambda run: 0),
        slurm_extra=on_several_machines(
            lambda run: None if gpus == 0 else f"--gpus-per-node={run.processes}"
        ),
        mem_mb=grown(16000, of_model("mem_mb")),
        runtime=lambda wildcards: graph.model_run(wildcards.model).runtime or 1440,
        attention=lambda wildcards: (
            graph.model_run(wildcards.model).attention or "default"
        ),
        micro_batch=lambda wildcards: graph.model_run(wildcards.model).micro_batch or 0,
        tensorboard=lambda wildcards: int(graph.model_run(wildcards.model).tensorboard),
        wandb=lambda wildcards: int(graph.model_run(wildcards.model).wandb),
        checkpoint_seconds=int(60 * graph.registry.workflow.checkpoint_minutes),
    params:
        options=lambda wildcards: graph.train_options(wildcards.model),
        inputs=lambda wildcards: named(
            graph.training_inputs(wildcards.model, f"seed{wildcards.seed}")
        ),
        training_file=lambda wildcards: str(
            graph.training_file(wildcards.model, f"seed{wildcards.seed}")
        ),
        work=str(R / "work/train/{model}.seed{seed}"),
        code=lambda wildcards: graph.train_code(wildcards.model),
    script:
        "../workflow_scripts/train.py"


rule score_checkpoints:
    input:
        dataset=R / "dataset/{dataset}/manifest.json",
        model=R / "train/{model}/seed{seed}/manifest.json",
    output:
        table=R / "train/{model}/seed{seed}/checkpoints{part}.{dataset}.{split}.tsv",
        manifest=R
        / "train/{model}/seed{seed}/checkpoints{part}.{dataset}.{split}.manifest.json",
    log:
        R / "logs/train/{model}.seed{seed}.checkpoints{part}.{dataset}.{split}.log",
    benchmark:
        R
        / "benchmarks/train/{model}.seed{seed}.checkpoints{part}.{dataset}.{split}.tsv"
    conda:
        graph.environment("train")
    threads: lambda wildcards: graph.model_run(wildcards.model).threads or 8
    resources:
        gpu=1,
        mem_mb=grown(8000, of_model("mem_mb")),
        runtime=grown(1440, of_model("runtime")),
    params:
        options=lambda wildcards: checkpoint_options(
            graph, wildcards.model, wildcards.split, wildcards.part
        ),
        code=graph.code("score_checkpoints", "train"),
    script:
        "../workflow_scripts/score_checkpoints.py"
